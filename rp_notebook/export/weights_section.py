"""The models of a worker in its README: which, how large, where they are, and what other places would cost a start."""

from __future__ import annotations

from collections.abc import Sequence

from rp_notebook.export.figures import size_text
from rp_notebook.export.models import Model
from rp_notebook.export.weights import Option, Weights

_HOW = {
    "bake": "`fetch_weights.py` brings them into the image when it is built; the worker starts offline.",
    "volume": "They are on the endpoint's network volume at `/runpod-volume`: the first worker fetches them.",
    "cached": "Enter the repository as the endpoint's Model: RunPod keeps it at hand, and the worker starts offline.",
    "runtime": "Each worker downloads them as it starts.",
}


def weights_section(models: Sequence[Model], weights: Weights) -> list[str]:
    """The section, none for a worker that loads nothing by name."""
    if not models:
        return []
    rows = [
        f"| `{_cell(one.id)}` | {f'`{one.revision[:12]}`' if one.revision else ''} "
        f"| {size_text(one.size) if one.size is not None else ''} | `{_cell(one.loader)}` |"
        for one in models
    ]
    parts = ["| model | revision | size | by |\n|---|---|---|---|\n" + "\n".join(rows)]
    if weights.mode is not None:
        ways = [_way(option, chosen=option.mode == weights.mode) for option in weights.options]
        head = f"{_HOW[weights.mode]} `--weights` of the export chooses; about what each costs at a cold start:"
        parts.append(f"{head}\n\n| way | seconds | |\n|---|---|---|\n" + "\n".join(ways))
    return ["## Models\n\n" + "\n\n".join(parts)]


def _way(option: Option, *, chosen: bool) -> str:
    name = f"**{option.mode}**" if chosen else option.mode
    why_not = f" (not here: {option.impossible})" if option.impossible else ""
    return f"| {name} | {option.seconds:.0f} s | {option.about}{why_not} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("`", "'")
