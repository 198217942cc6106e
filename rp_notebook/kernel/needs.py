"""`%runpod env` and `%runpod apt`: what a worker needs around it that no cell says."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rp_notebook.export.by_hand import package_said, variable_said
from rp_notebook.export.reads import Declared, Variable
from rp_notebook.jobs.flag_parser import FlagParser
from rp_notebook.panel.report import Report

if TYPE_CHECKING:
    from rp_notebook.kernel.session import Session


class Needs:
    """What was declared so far in one kernel."""

    def __init__(self) -> None:
        self._variables: dict[str, Variable] = {}
        self._apt: dict[str, None] = {}

    @property
    def declared(self) -> Declared:
        """Everything, in the order of its declaration."""
        return Declared(tuple(self._variables.values()), tuple(self._apt))

    def declare(self, variable: Variable) -> None:
        """Adds a variable, or says something else of it."""
        self._variables[variable.name] = variable

    def install(self, package: str) -> None:
        """Adds a system package."""
        self._apt[package] = None


def env_flags() -> FlagParser:
    """The flags of `%runpod env`."""
    about = "Declare environment variables of the worker; with a default it is set in the image."
    parser = FlagParser(prog="%runpod env", add_help=False, description=about)
    parser.add_argument("variables", nargs="*", metavar="NAME[=DEFAULT]", help="without any: those so far")
    return parser


def env(session: Session, flags: Namespace) -> Report:
    """Declares environment variables. Raises `BadInput` for a name that is none, and for the value of a secret."""
    declared = [variable_said(said) for said in flags.variables]
    before = {variable.name: variable.default for variable in session.needs.declared.variables}
    unlike: list[str] = []
    for variable in declared:
        session.needs.declare(variable)
        if variable.default is not None:
            unlike += _set(session, variable.name, variable.default, before.get(variable.name))
    known = session.needs.declared.variables
    lines = [one.name if one.default is None else f"{one.name}={one.default}" for one in known]
    told = ["\n".join(lines)] * bool(lines)
    return Report("ENV", "good", f"{len(known)} declared for the worker", [*told, *unlike])


def _set(session: Session, name: str, default: str, before: str | None) -> Iterator[str]:
    """Sets the variable as the image will, where only we had set it, and tells what was made without that value."""
    if os.environ.get(name) == default:
        return
    if name in os.environ and os.environ[name] != before:
        yield f"{name} has another value in this kernel, which keeps it"
        return
    os.environ[name] = default
    without = dict.fromkeys(f"In[{cell.number}]" for cell in session.recorder.cells if name in cell.text)
    if without:
        yield f"run again what read {name} before it was set: {', '.join(without)}"


def apt_flags() -> FlagParser:
    """The flags of `%runpod apt`."""
    parser = FlagParser(prog="%runpod apt", add_help=False, description="Declare system packages of the image.")
    parser.add_argument("packages", nargs="*", metavar="PACKAGE", help="as apt-get install takes it; without any: all")
    return parser


def apt(session: Session, flags: Namespace) -> Report:
    """Declares system packages. Raises `BadInput` for what is no package's name."""
    for package in [package_said(package) for package in flags.packages]:
        session.needs.install(package)
    known = session.needs.declared.apt
    return Report("APT", "good", f"{len(known)} declared for the image", [" ".join(known)] if known else [])
