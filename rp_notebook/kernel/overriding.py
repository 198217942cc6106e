"""`%runpod keep` and `%runpod drop`: what goes into the worker, or stays out of it, on the user's word."""

from __future__ import annotations

from argparse import Namespace
from fnmatch import fnmatchcase
from typing import Literal

from rp_notebook.errors import BadInput
from rp_notebook.jobs.flag_parser import FlagParser
from rp_notebook.kernel.session import Session
from rp_notebook.panel.report import Report

Verb = Literal["keep", "drop"]


def keep_flags() -> FlagParser:
    """The flags of `%runpod keep`."""
    return _flags("keep", "Put cells or variables into the worker, with what they need.")


def drop_flags() -> FlagParser:
    """The flags of `%runpod drop`."""
    return _flags("drop", "Leave cells or variables out of the worker; refused at export where they are needed.")


def keep(session: Session, flags: Namespace) -> Report:
    """Remembers what to keep; a word that was to be left out is so no longer."""
    return _said(session, "keep", flags)


def drop(session: Session, flags: Namespace) -> Report:
    """Remembers what to leave out; a word that was to be kept is so no longer."""
    return _said(session, "drop", flags)


def _flags(verb: Verb, description: str) -> FlagParser:
    parser = FlagParser(prog=f"%runpod {verb}", add_help=False, description=description)
    parser.add_argument("what", nargs="*", metavar="WHAT", help="cells (7, In[7], 7-9) or variables (lut, lut_*)")
    parser.add_argument("--list", action="store_true", help="what was said so far")
    parser.add_argument("--clear", action="store_true", help="take back WHAT, or all")
    return parser


def _said(session: Session, verb: Verb, flags: Namespace) -> Report:
    said = session.said
    other: Verb = "drop" if verb == "keep" else "keep"
    if flags.clear:
        gone = [word for word in said[verb] if not flags.what or word in flags.what]
        unknown = [word for word in flags.what if word not in said[verb]]
        if unknown:
            raise BadInput(f"%runpod {verb} {unknown[0]} was not said; said: {' '.join(said[verb]) or 'nothing'}")
        said[verb] = [word for word in said[verb] if word not in gone]
    elif flags.what:
        for word in flags.what:
            _check(session, word)
        said[verb] += [word for word in flags.what if word not in said[verb]]
        said[other] = [word for word in said[other] if word not in flags.what]
    elif not flags.list:
        raise BadInput(f"say what to {verb}: %runpod {verb} 7, In[7], 7-9, or a variable; --list shows what was said")
    lines = [f"{each} {word}" for each in ("keep", "drop") for word in said[each]]
    told = "told what to keep and to leave out" if lines else "nothing is kept or left out on your word"
    return Report(verb.upper(), "good", told, lines, steps=["%runpod why", "%runpod export"] if lines else ())


def _check(session: Session, word: str) -> None:
    from rp_notebook.export.overrides import override

    wanted = override(word, "")
    if wanted.name:
        if not any(fnmatchcase(name, wanted.name) for name in session.namespace):
            raise BadInput(f"there is no variable {word}")
        return
    numbers = {cell.number for cell in session.recorder.cells}
    if not numbers & set(range(wanted.first, wanted.last + 1)):
        raise BadInput(f"no cell ran as In[{word.strip('In[]')}]; the latest is In[{max(numbers, default=0)}]")
