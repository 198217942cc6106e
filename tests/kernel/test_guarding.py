"""A real kernel that is interrupted where ipykernel catches nothing lives on."""

from __future__ import annotations

import pytest

from tests.journeys.test_jobs_in_a_kernel import BEGINS, folder, interrupted, kernel  # noqa: F401 (the fixtures)

INTERRUPTED_IN_A_HOOK = """
import os, signal
ipykernel = get_ipython().kernel
hook = ipykernel.post_handler_hook
def interrupted():
    os.kill(os.getpid(), signal.SIGINT)
    ipykernel.post_handler_hook = hook
    hook()
ipykernel.post_handler_hook = interrupted
"""


@pytest.mark.kernel
def test_an_interrupt_after_a_cell_leaves_the_kernel_alive(kernel) -> None:  # noqa: F811
    _, cell = kernel
    cell(INTERRUPTED_IN_A_HOOK)
    assert cell("ipykernel.post_handler_hook is hook, model") == "(True, 'warm')"


@pytest.mark.kernel
@pytest.mark.parametrize("waiting", ["time.sleep(60)", "while True: pass"])
def test_a_cell_that_is_not_ours_is_interrupted_as_ever(kernel, interrupted, waiting: str) -> None:  # noqa: F811
    _, cell = kernel
    cell("import time")
    interrupted(f"ended = False\n{BEGINS}\n{waiting}\nended = True")
    assert cell("ended") == "False"


@pytest.mark.kernel
def test_unloading_gives_the_hooks_back(kernel) -> None:  # noqa: F811
    _, cell = kernel
    hooks = "[name in vars(get_ipython().kernel) for name in ('pre_handler_hook', 'post_handler_hook')]"
    assert cell(hooks) == "[True, True]"
    cell("%unload_ext rp_notebook")
    assert cell(hooks) == "[False, False]"
    assert cell("import signal; signal.getsignal(signal.SIGINT) is signal.default_int_handler") == "True"
    cell("%load_ext rp_notebook")
    assert cell(hooks) == "[True, True]"
