"""Every exception that rp_notebook raises on purpose: a line that says what is there, what to type, what was meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rp_notebook.jobs.finding import Finding


NO_HANDLER = "none is registered yet: begin a cell with %%runpod_handler, or name a function of the notebook"
NO_SDK = "the runpod SDK is not installed: pip install 'rp-notebook[prove]'"


def meant(name: str, known: Iterable[str], said: str = "{}") -> str:
    """`did you mean X?` for the known name most like this one, put as `said` has it; "" where none is like it."""
    from difflib import get_close_matches  # only who errs needs it

    return "".join(f"did you mean {said.format(close)}?" for close in get_close_matches(name, tuple(known), n=1))


class RpNotebookError(Exception):
    """The user asked for something that cannot be done; the message is one readable line."""


class BadInput(RpNotebookError):
    """A job's input, or a file that was named, is not JSON, does not parse, or is not of the shape it needs."""


class BadDeclaration(RpNotebookError):
    """A handler cell or its flags do not say which function handles jobs."""


class UnknownHandler(RpNotebookError):
    """No handler of that name is registered."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        known = tuple(known)
        unknown = f"known: {', '.join(known)}" if known else NO_HANDLER
        close = meant(name, known)
        hint = f"{close} {unknown}" if close else unknown
        super().__init__(f"there is no handler{f' {name!r}' if name else ''}; {hint}")


class NeedsAwait(RpNotebookError):
    """An async handler was given to `run_job` while an event loop runs."""


class InvalidTransition(RpNotebookError):
    """An event that cannot follow the job's present status."""


class RequestRefused(RpNotebookError):
    """A client's request to an endpoint that is answered with an HTTP error; `status` is its number."""

    def __init__(self, status: int, why: str) -> None:
        self.status = status
        super().__init__(why)


class ExportRefused(RpNotebookError):
    """The worker would be wrong or unsafe; `findings` say where and what to do."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__("; ".join(str(finding) for finding in self.findings))


class FolderNotOurs(RpNotebookError):
    """The export folder holds files that we did not write, or that were edited since."""


class NotebookFailed(RpNotebookError):
    """A notebook that was run as a whole stopped at a cell."""


class ProofImpossible(RpNotebookError):
    """A proof cannot even start: a missing package, no jobs, no handler.py."""
