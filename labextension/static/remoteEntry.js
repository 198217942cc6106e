// A prebuilt extension of JupyterLab and Notebook 7, written by hand: what a bundler would make of one small plugin.
// It types for a person: each command puts a cell into the notebook and runs it. Everything works without it.
(() => {
  let scope = null;
  const shared = async (name) => (await Object.values(scope[name])[0].get())();
  const LOADED = "'RunpodMagics' in get_ipython().magics_manager.registry";

  const plugin = async () => {
    const { INotebookTracker, NotebookActions } = await shared('@jupyterlab/notebook');
    const { ICommandPalette, InputDialog, ToolbarButton } = await shared('@jupyterlab/apputils');
    const { IMainMenu } = await shared('@jupyterlab/mainmenu');

    async function isLoaded(kernel) {
      const asked = kernel.requestExecute({ code: '', silent: true, user_expressions: { loaded: LOADED } });
      return (await asked.done).content.user_expressions?.loaded?.data?.['text/plain'] === 'True';
    }

    // Runs the cell that says `line` already, or a new one below the active cell.
    async function type(panel, line) {
      const kernel = panel.sessionContext.session?.kernel;
      if (!kernel) return;
      const notebook = panel.content;
      let at = notebook.widgets.findIndex((cell) => cell.model.sharedModel.getSource().trim().endsWith(line));
      if (at < 0) {
        NotebookActions.insertBelow(notebook);
        const load = (await isLoaded(kernel)) ? '' : '%load_ext rp_notebook\n';
        notebook.activeCell.model.sharedModel.setSource(load + line);
        at = notebook.activeCellIndex;
      }
      notebook.activeCellIndex = at;
      await NotebookActions.run(notebook, panel.sessionContext);
      await notebook.scrollToItem(at, 'smart');
    }

    function activate(app, tracker, palette, menu) {
      const isEnabled = () => tracker.currentWidget !== null;
      const holding = (node) => tracker.find((panel) => panel.node.contains(node));
      app.commands.addCommand('rp-notebook:panel', {
        label: 'RunPod: Open the Panel', caption: 'Run jobs on the handlers of this notebook', isEnabled,
        execute: () => type(tracker.currentWidget, '%runpod panel'),
      });
      app.commands.addCommand('rp-notebook:export', {
        label: 'Export RunPod Worker…', caption: 'Write the worker repository of the latest handler', isEnabled,
        execute: async () => {
          const name = tracker.currentWidget.title.label.replace(/\.ipynb$/, '').replace(/[^\w.-]+/g, '-');
          const asked = await InputDialog.getText({ title: 'Export RunPod worker', label: 'Folder to write', text: `${name}-worker` });
          const folder = asked.button.accept && asked.value?.trim();
          if (folder) await type(tracker.currentWidget, `%runpod export ${/[\s'"\\]/.test(folder) ? JSON.stringify(folder) : folder}`);
        },
      });
      for (const command of ['rp-notebook:panel', 'rp-notebook:export']) palette?.addItem({ command, category: 'RunPod' });
      menu?.fileMenu.addGroup([{ command: 'rp-notebook:export' }], 30);
      app.docRegistry.addWidgetExtension('Notebook', {
        createNew(panel) {
          const button = new ToolbarButton({ label: 'RunPod', tooltip: 'Open the RunPod panel', onClick: () => type(panel, '%runpod panel') });
          panel.toolbar.insertAfter('cellType', 'rp-notebook', button) || panel.toolbar.addItem('rp-notebook', button);
          return button;
        },
      });

      // What the panel cannot do itself: interrupt its kernel, and run its own cell again.
      document.body.dataset.rpNotebook = 'true';
      document.addEventListener('rp-notebook:interrupt', (event) => {
        const kernel = holding(event.target)?.sessionContext.session?.kernel;
        if (!kernel) return;
        event.preventDefault();
        void kernel.interrupt();
      });
      document.addEventListener('rp-notebook:reopen', async (event) => {
        const panel = holding(event.target);
        const kernel = panel?.sessionContext.session?.kernel;
        const at = panel?.content.widgets.findIndex((cell) => cell.node.contains(event.target));
        if (!kernel || at < 0) return;
        if (!(await isLoaded(kernel))) await kernel.requestExecute({ code: '%load_ext rp_notebook' }).done;
        panel.content.activeCellIndex = at;
        await NotebookActions.run(panel.content, panel.sessionContext);
      });
    }
    const given = { id: 'rp-notebook:plugin', autoStart: true, requires: [INotebookTracker], optional: [ICommandPalette, IMainMenu], activate };
    return { __esModule: true, default: given }; // without this mark, no plugin of the page starts
  };

  const container = {
    init: (given) => { scope = given; },
    get: async (name) => {
      if (name !== './extension') throw new Error(`rp-notebook has no module ${name}`);
      const module = await plugin();
      return () => module;
    },
  };
  (window._JUPYTERLAB = window._JUPYTERLAB || {})['rp-notebook'] = container;
})();
