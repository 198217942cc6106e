"""The widget behind `%runpod panel`: hands what a person does to callables, and what they say to the browser."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anywidget

from rp_notebook.errors import RpNotebookError

HERE = Path(__file__).parent
UNANSWERED = "the kernel could not answer that: its log says why"

Answer = Callable[[dict[str, Any]], Any]


class Panel(anywidget.AnyWidget):
    """`answers` are what can be asked for by name; each takes plain data and returns plain data.

    Front ends that have subshells ask on another thread than the main one, also while a cell runs.
    """

    _esm = (HERE / "panel.js").read_text(encoding="utf-8")
    _css = (HERE / "panel.css").read_text(encoding="utf-8")

    def __init__(self, answers: Mapping[str, Answer]) -> None:
        super().__init__()
        self._answers = answers
        self.on_msg(self._asked)
        self._forget_sender()

    def __repr__(self) -> str:
        return "the panel (%runpod panel): it needs a front end that shows widgets"

    def say(self, told: Mapping[str, Any]) -> None:
        """Sends something that nobody asked for. From any thread."""
        self.send({"kind": told["kind"]}, [_encoded(told)])
        self._forget_sender()

    def _forget_sender(self) -> None:
        """Has what the browser asks go where it says, to its own subshell.

        ipykernel 7.4 has it go to the shell that sent through the comm last. Jobs send from the main one, which hears
        nothing while a handler runs.
        """
        getattr(self.comm, "__dict__", {}).pop("_reply_subshell_id", None)

    def _asked(self, _: object, content: Any, _buffers: object) -> None:
        reply: dict[str, Any] = {"error": UNANSWERED}
        try:
            reply = {"value": self._answers[content["ask"]](content["given"])}
        except RpNotebookError as error:
            reply = {"error": str(error)}
        finally:
            self.say({"kind": "reply", "id": content["id"], **reply})


def _encoded(told: Mapping[str, Any]) -> bytes:
    """As JSON that a browser can parse: an input may hold NaN, which is shown as null."""
    try:
        text = json.dumps(told, ensure_ascii=False, allow_nan=False)
    except ValueError:
        text = json.dumps(json.loads(json.dumps(told), parse_constant=lambda _: None), ensure_ascii=False)
    return text.encode(errors="replace")
