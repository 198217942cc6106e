"""`jupyter nbconvert --to runpod`: the static export, as an exporter that nbconvert finds by its entry point."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from nbconvert.exporters import Exporter
from nbconvert.utils.exceptions import ConversionException
from traitlets import Bool, Unicode, default

from rp_notebook.errors import ExportRefused, RpNotebookError
from rp_notebook.export.cells import code_cells
from rp_notebook.export.exporting import export_document
from rp_notebook.export.manifest import MANIFEST, sources_of
from rp_notebook.export.repo import HANDLER
from rp_notebook.export.result import ExportResult


class RunpodExporter(Exporter):
    """Writes the worker repository of a notebook; runs nothing.

    The files go to NOTEBOOK-worker/ beside the notebook, to `--output FOLDER`, or right into `--output-dir FOLDER`.
    """

    export_from_notebook = "RunPod worker"
    output_mimetype = "text/x-python"

    handler = Unicode("", help="which handler (default: the last one declared)").tag(config=True)
    base = Unicode("", help="the image to build on").tag(config=True)
    python = Unicode("", help="the worker's Python, as 3.11").tag(config=True)
    strict = Bool(default_value=False, help="refuse what hangs on hidden state").tag(config=True)
    train = Bool(default_value=False, help="let the worker train, or compute for long, at its start").tag(config=True)
    validate = Bool(default_value=False, help="check each job's input before the handler").tag(config=True)
    weights = Unicode("", help="where weights are: bake, volume, cached or runtime").tag(config=True)
    force = Bool(default_value=False, help="write over files that are in the way").tag(config=True)

    @default("file_extension")
    def _default_file_extension(self) -> str:
        return ".py"

    def from_notebook_node(  # type: ignore[override] # nbconvert's own exporters return text, too
        self, nb: Any, resources: Any = None, **kw: Any
    ) -> tuple[str, Any]:
        """The text of handler.py; all files of the repository are among `resources["outputs"]`.

        Raises nbconvert's `ConversionException` when the worker would be wrong, or files are in the way.
        """
        nb, resources = super().from_notebook_node(nb, resources, **kw)
        metadata = resources["metadata"]
        name, beside = metadata.get("name") or "notebook", Path(metadata.get("path") or ".")
        try:
            result = export_document(
                code_cells(nb, folder=str(beside.resolve())),
                self.handler or None,
                python=self.python or None,
                base=self.base or None,
                notebook=f"{name}.ipynb",
                folder=beside.resolve(),
                strict=self.strict,
                train=self.train,
                validate=self.validate,
                weights=self.weights or None,
                environment=os.environ,
            )
        except ExportRefused as refusal:
            raise ConversionException("\n".join(["refused:", *map(str, refusal.findings)])) from None
        except RpNotebookError as error:
            raise ConversionException(str(error)) from None
        for finding in result.findings:
            self.log.warning("%s: %s", finding.severity, finding)
        prefix = self._place(name, resources.get("unique_key") or name)
        target = beside if not self._build_directory() else Path(self._build_directory())
        self._refuse_in_the_way(target / prefix, result, f"{name}.ipynb")
        resources["outputs"] = {f"{prefix}{file}": body for file, body in result.repo.items()}
        resources["unique_key"] = f"{prefix}{HANDLER.removesuffix('.py')}"
        return result.module, resources

    def _build_directory(self) -> str:
        return str(self.config.get("FilesWriter", {}).get("build_directory", "") or "")

    def _place(self, name: str, key: str) -> str:
        if key != name:
            return f"{key}/"  # --output names the worker's folder
        return "" if self._build_directory() else f"{name}-worker/"

    def _refuse_in_the_way(self, folder: Path, result: ExportResult, notebook: str) -> None:
        read = sources_of((folder / MANIFEST).read_bytes()) if (folder / MANIFEST).is_file() else None
        is_ours = read is not None and read[0] == notebook
        there = [file for file in result.repo if (folder / file).exists()]
        if there and not is_ours and not self.force:
            raise ConversionException(
                f"{folder} holds {', '.join(there[:5])}, and no export of {notebook}: name another folder with "
                "--output-dir, or write over it with --RunpodExporter.force=True"
            )
