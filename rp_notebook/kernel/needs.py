"""`%runpod env` and `%runpod apt`: what a worker needs around it that no cell says."""

from __future__ import annotations

import re
from argparse import Namespace
from typing import TYPE_CHECKING

from rp_notebook.errors import BadInput
from rp_notebook.export.reads import Declared, Variable
from rp_notebook.jobs.flag_parser import FlagParser
from rp_notebook.jobs.masking import has_shape, is_secret_variable
from rp_notebook.panel.report import Report

if TYPE_CHECKING:
    from rp_notebook.kernel.session import Session

_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+(?::[a-z0-9-]+)?(?:=[\w.+:~-]+)?", re.ASCII)


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
    declared = [_variable(said) for said in flags.variables]
    for variable in declared:
        session.needs.declare(variable)
    known = session.needs.declared.variables
    lines = [one.name if one.default is None else f"{one.name}={one.default}" for one in known]
    return Report("ENV", "good", f"{len(known)} declared for the worker", ["\n".join(lines)] if lines else [])


def apt_flags() -> FlagParser:
    """The flags of `%runpod apt`."""
    parser = FlagParser(prog="%runpod apt", add_help=False, description="Declare system packages of the image.")
    parser.add_argument("packages", nargs="*", metavar="PACKAGE", help="as apt-get install takes it; without any: all")
    return parser


def apt(session: Session, flags: Namespace) -> Report:
    """Declares system packages. Raises `BadInput` for what is no package's name."""
    for package in flags.packages:
        if not _PACKAGE.fullmatch(package):
            raise BadInput(f"{package!r} is not the name of a system package: write it as for apt-get install")
    for package in flags.packages:
        session.needs.install(package)
    known = session.needs.declared.apt
    return Report("APT", "good", f"{len(known)} declared for the image", [" ".join(known)] if known else [])


def _variable(said: str) -> Variable:
    name, equals, default = said.partition("=")
    if not _NAME.fullmatch(name):
        raise BadInput(f"{name!r} is not the name of an environment variable: write NAME or NAME=DEFAULT")
    secret = is_secret_variable(name)
    if equals and default and (secret or has_shape(default)):
        raise BadInput(f"{name} looks like a secret, whose value is written nowhere: %runpod env {name}")
    return Variable(name, default if equals else None, secret=secret)
