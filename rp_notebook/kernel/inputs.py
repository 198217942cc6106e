"""From the text behind `%runpod job` to the flags and the input it means."""

from __future__ import annotations

import ast
import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rp_notebook.errors import BadInput
from rp_notebook.jobs.flag_parser import FlagParser

if TYPE_CHECKING:
    from rp_notebook.jobs.pools import PriceTable

FLAGS = ("-n", "--name", "-o", "--output", "--mode", "--timeout", "--repeat", "--concurrency", "--prices")


@dataclass(frozen=True)
class JobLine:
    """`%runpod job` taken apart: flags, and the text of the input."""

    handler: str | None
    output: str | None
    mode: Any
    timeout_s: float | None
    repeat: int
    concurrency: int
    prices: PriceTable | None
    text: str


def job_flags() -> FlagParser:
    """The flags of `%runpod job`."""
    parser = FlagParser(prog="%runpod job", add_help=False, description="Run a job on the warm handler.")
    parser.add_argument("-n", "--name", metavar="NAME", help="the handler (default: the latest registered)")
    parser.add_argument("-o", "--output", metavar="VAR", help="put the answer into this variable")
    parser.add_argument("--mode", choices=("run", "runsync"), default="run", help="whose size limits hold")
    parser.add_argument("--timeout", type=float, metavar="S", help="seconds the job may take")
    parser.add_argument("--repeat", type=int, default=1, metavar="N", help="run it N times; show times and memory")
    parser.add_argument("--concurrency", type=int, default=1, metavar="N", help="run N jobs at once; find races")
    parser.add_argument("--prices", metavar="FILE", help="GPU pools and prices from this JSON file, from now on")
    return parser


def job_line(line: str, body: str | None = None) -> JobLine:
    """Takes `[flags] INPUT [flags]` apart; a cell's `body` is the input when there is one.

    The input is never split at spaces or quotes: it is what stands between the flags in front and those behind it.
    """
    flags, text = _split(line)
    given = job_flags().parse_args(flags)
    if min(given.repeat, given.concurrency) < 1:
        raise BadInput("--repeat and --concurrency take a number from 1 on")
    return JobLine(
        given.name,
        given.output,
        given.mode,
        given.timeout,
        given.repeat,
        given.concurrency,
        None if given.prices is None else price_table(given.prices),
        body if body and not text else text,
    )


def input_of(text: str, namespace: Mapping[str, Any]) -> Any:
    """The job or the bare input that `text` stands for: `@file`, JSON, or a Python expression over `namespace`.

    Raises `BadInput` with the place where it does not parse.
    """
    text = text.strip()
    if not text:
        raise BadInput('a job needs an input: %runpod job {"prompt": "..."}, a variable, or @file.json')
    if text.startswith("@"):
        return _from_file(Path(text[1:].strip()).expanduser())
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        return _evaluated(text, namespace, error)


def price_table(path: str) -> PriceTable:
    """The pools and prices in a user's file, of the shape of the one that ships. Raises `BadInput`."""
    from rp_notebook.jobs.pools import table_of  # most notebooks never ask for prices

    return table_of(_from_file(Path(path).expanduser()), path)


def _evaluated(text: str, namespace: Mapping[str, Any], as_json: json.JSONDecodeError) -> Any:
    try:
        code = compile(text, "<input>", "eval")
    except (SyntaxError, ValueError) as error:
        # Whoever writes {"a": true, ...} means JSON; its parser knows the place better.
        reason = f"is not JSON: {_placed(as_json)}" if text[0] in '{["' else f"does not parse: {error}"
        raise BadInput(f"the input {reason}") from None
    try:
        return eval(code, dict(namespace))
    except Exception as error:  # noqa: BLE001 (the user's expression; whatever it raises is the message)
        said = f"the input {text[:80]!r} raised {type(error).__name__}: {error}"
        is_json = isinstance(error, NameError) and text[0] in "{["  # as JavaScript has it, or with a `true`
        raise BadInput(f"{said}; as JSON: {_placed(as_json)}" if is_json else said) from None


def _from_file(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise BadInput(f"cannot read {path}: {error.strerror}") from None
    except json.JSONDecodeError as error:
        raise BadInput(f"{path} is not JSON: {_placed(error)}") from None
    except UnicodeDecodeError:
        raise BadInput(f"{path} is not JSON: it is not UTF-8 text") from None


def _placed(error: json.JSONDecodeError) -> str:
    line = error.doc.splitlines()[error.lineno - 1] if error.doc.splitlines() else ""
    start = max(error.colno - 25, 0)
    return f"{error.msg} at line {error.lineno}, column {error.colno}: {line[start : error.colno + 15]!r}"


def _split(line: str) -> tuple[list[str], str]:
    flags: list[str] = []
    rest = line.strip()
    while rest.startswith("-"):
        flag, _, rest = rest.partition(" ")
        flags.append(flag)
        if "=" not in flag:
            value, _, rest = rest.lstrip().partition(" ")
            flags.append(value)
        rest = rest.lstrip()
    behind = _flags_behind(rest)
    return flags + shlex.split(behind), rest[: len(rest) - len(behind)].strip()


def _flags_behind(text: str) -> str:
    """The flags that follow a whole input: a minus sign inside one belongs to it."""
    at = text.find(" -")
    while at != -1:
        behind = text[at:].lstrip()
        if behind.split("=")[0].split(" ")[0] in FLAGS and _is_whole(text[:at]):
            return behind
        at = text.find(" -", at + 1)
    return ""


def _is_whole(text: str) -> bool:
    if text.startswith("@"):
        return True
    try:
        json.loads(text)
    except ValueError:
        try:
            ast.parse(text, mode="eval")
        except (SyntaxError, ValueError):
            return False
    return True
