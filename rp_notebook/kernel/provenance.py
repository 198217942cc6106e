"""What the status card says of the exports of this notebook."""

from __future__ import annotations

import os
from pathlib import Path

from rp_notebook.errors import ExportRefused
from rp_notebook.kernel.places import notebook_path
from rp_notebook.kernel.session import Session


def since_exports(session: Session) -> list[str]:
    """A line for each export of this session, or beside the notebook, whose cells have changed since."""
    path = notebook_path(session.namespace, os.environ)
    beside = path is not None and any(path.parent.glob("*/rp_manifest.json"))
    if not session.exports and not beside:
        return []
    from rp_notebook.export.document import document_of
    from rp_notebook.export.sources import changed, earlier_exports

    folders = dict.fromkeys([*session.exports, *(earlier_exports(path.parent, path.name) if path is not None else ())])
    document = document_of(path)
    lines = []
    for folder in folders:
        found = changed(folder, session.recorder.cells, document, _new(session, folder))
        if found is not None and found.cells:
            count = len(found.cells)
            lines.append(f"{count} cell{'s' * (count != 1)} changed since the export to {folder.name}")
    return lines


def _new(session: Session, folder: Path) -> set[int]:
    """The cells that ran after the export, of which it would have a statement now."""
    handler, before = session.exports.get(folder, (None, 0))
    ran = session.recorder.cells
    if handler is None or len(ran) == before:
        return set()
    from rp_notebook.export.flat_cells import unfolded
    from rp_notebook.export.overrides import said
    from rp_notebook.export.slicing import slice_cells

    try:
        cells, declaration = unfolded(ran, session.exported_as(handler))
        kept = slice_cells(cells, declaration, overrides=said(**session.said)).kept
    except ExportRefused:
        return set()
    return {cell.number for cell in ran[before:]} & {each.cell for each in kept}
