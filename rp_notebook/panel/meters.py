"""How large an answer is against the platform's limits, as bars, and what makes it so."""

from __future__ import annotations

from rp_notebook.jobs.payload import ITEM_LIMIT, MB, NEAR, RUN_LIMIT, RUNSYNC_LIMIT
from rp_notebook.jobs.record import JobRecord
from rp_notebook.jobs.weighing import heaviest
from rp_notebook.panel.preview import cut_text, size

BAR_CELLS = 10
NAME = 100  # characters of a field's
WEIGHED = MB // 10  # bytes of an answer from which on its largest fields are named


def _limits(record: JobRecord) -> list[tuple[str, int, int]]:
    """What was sent, its bytes and the limit: the answer against both, the largest streamed item against its own."""
    sizes = record.sizes
    limits = (
        [] if sizes.result is None else [("/run", sizes.result, RUN_LIMIT), ("/runsync", sizes.result, RUNSYNC_LIMIT)]
    )
    return limits if sizes.largest_item is None else [*limits, ("largest item", sizes.largest_item, ITEM_LIMIT)]


def bars(record: JobRecord) -> list[str]:
    """The sizes as lines of text."""
    if record.sizes.result is None:
        return []
    drawn = []
    for name, count, limit in _limits(record):
        filled = min(round(count / limit * BAR_CELLS), BAR_CELLS)
        drawn.append(f"{name} [{'█' * filled}{'·' * (BAR_CELLS - filled)}] {count / limit:.0%} of {limit // MB} MB")
    answer, *item = ("  ".join(drawn[:2]), *drawn[2:])
    return [f"answer {size(record.sizes.result)}  {answer}", *item]


def meters(record: JobRecord) -> str:
    """The sizes as HTML."""
    if record.sizes.result is None:
        return ""
    drawn = "".join(map(_meter, _limits(record)))
    return f'<div class="rpn-meters"><span>answer {size(record.sizes.result)}</span>{drawn}</div>'


def _meter(limited: tuple[str, int, int]) -> str:
    name, count, limit = limited
    tone = "bad" if count > limit else "warn" if count > NEAR * limit else "good"
    said = f"{count / limit:.0%} of {limit // MB} MB {name}"
    return (
        f'<span class="rpn-meter"><span class="rpn-track" role="img" aria-label="{said}">'
        f'<span class="rpn-fill rpn-{tone}" style="width:{min(count / limit, 1):.2%}"></span></span>'
        f'<span class="rpn-dim">{said}</span></span>'
    )


def heavy(record: JobRecord) -> str:
    """The fields that make an answer large, where it is."""
    result = record.sizes.result or 0
    if result < WEIGHED or "output" not in record.answer:
        return ""
    fields = ((cut_text(name, NAME), count) for name, count in heaviest(record.output, "output"))
    return f"largest: {', '.join(f'{name} {size(count)} ({count / result:.0%})' for name, count in fields)}"
