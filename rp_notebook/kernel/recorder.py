"""Keeps one small record per executed cell; everything else about cells is worked out when somebody asks."""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rp_notebook.export.cells import CellRun


ASSUMED = 8  # the place of that field in a CellRun


class Recorder:
    """The cells of this session in the order in which they ran, those before the extension was loaded included."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._started = 0.0
        self._open = 0
        self._ran = _earlier_cells(shell)

    @property
    def cells(self) -> tuple[CellRun, ...]:
        """The recorded executions, oldest first."""
        from rp_notebook.export.cells import CellRun  # the exporter is loaded when somebody exports

        return tuple(CellRun(*fields) for fields in self._ran)

    @property
    def in_cell(self) -> bool:
        """Whether a cell is open that began since we record them."""
        return self._open > 0

    def before(self, info: Any) -> None:
        """A cell is about to run."""
        if info.store_history:
            self._open = 0  # an outermost cell: an interrupted one before it may have ended without a word
        self._open += 1
        if self._open == 1:
            self._started = time.perf_counter()

    def after(self, result: Any) -> None:
        """A cell has run."""
        self._open = max(self._open - 1, 0)
        info = result.info
        if self._open or info is None:  # a cell that another cell ran: its text is in that one
            return
        number = result.execution_count or self._shell.execution_count
        if self._ran and self._ran[-1][ASSUMED] and self._ran[-1][:2] == (number, info.raw_cell):
            self._ran.pop()  # it is the cell that loaded us
        error = result.error_in_exec
        # The fields of a CellRun, in order: a tuple costs a tenth of the object, and every cell pays.
        self._ran.append(
            (
                number,
                info.raw_cell,
                getattr(info, "cell_id", None),  # since IPython 8.3
                succeeded(result),
                None if error is None else _failed_line(error),
                _working_directory(),
                time.perf_counter() - self._started if self._started else 0.0,
                time.time(),
                False,
            )
        )


def succeeded(result: Any) -> bool:
    """Whether a cell ran to its end."""
    return result.error_before_exec is None and result.error_in_exec is None


def _earlier_cells(shell: Any) -> list[tuple[Any, ...]]:
    history = getattr(shell.history_manager, "input_hist_raw", [])
    ran = [(number, text) for number, text in enumerate(history[: shell.execution_count]) if number and text]
    return [(number, text, None, True, None, "", 0.0, time.time(), True) for number, text in ran]


def _failed_line(error: BaseException) -> int | None:
    """The line of the cell whose statement raised: the outermost frame that is a cell's own code."""
    frames: TracebackType | None = error.__traceback__
    while frames is not None:
        name = frames.tb_frame.f_code.co_name
        if name == "<module>" or name.startswith("<cell line"):
            return frames.tb_lineno
        frames = frames.tb_next
    return None


def _working_directory() -> str:
    try:
        return os.getcwd()  # noqa: PTH109 (a Path costs ten times as much, at every cell)
    except FileNotFoundError:  # the folder was deleted under the kernel
        return str(Path.home())
