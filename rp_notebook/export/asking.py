"""Values that a person typed or chose: a worker reads them from its environment, or does without the question."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rp_notebook.export.givings import ENVIRONMENT, Giving, givings, spelled_path
from rp_notebook.export.replacing import read
from rp_notebook.export.secret_texts import variable_of
from rp_notebook.export.statements import Statement
from rp_notebook.export.trees import immediate, walk
from rp_notebook.jobs.masking import is_secret_name

# Calls that ask for a secret, that ask for anything, and that only log somebody in.
SECRET_QUESTIONS = frozenset(
    {"getpass.getpass", "google.colab.userdata.get", "pwinput.pwinput", "maskpass.askpass", "maskpass.advpass"}
    | {"stdiomask.getpass", "kaggle_secrets.UserSecretsClient.get_secret"}
)
QUESTIONS = SECRET_QUESTIONS | {"input", "builtins.input", "click.prompt", "rich.prompt.Prompt.ask"}
LOGINS = {
    **dict.fromkeys(("huggingface_hub.notebook_login", "huggingface_hub.interpreter_login"), "HF_TOKEN"),
    **dict.fromkeys(("huggingface_hub.login", "huggingface_hub.auth_check"), "HF_TOKEN"),
    "wandb.login": "WANDB_API_KEY",
    "kagglehub.login": "KAGGLE_KEY",
    **dict.fromkeys(("google.colab.auth.authenticate_user", "google.colab.drive.mount"), ""),
    "google.colab.files.upload": "",
}
_NUMBERS = {"Int": "int", "BoundedInt": "int", "Float": "float", "BoundedFloat": "float"}
_POLITE = re.compile(r"^(?:(?:PLEASE|ENTER|TYPE|PASTE|PROVIDE|INPUT|GIVE|YOUR|THE|A|AN|WHAT_IS|WHATS|INSERT)_)+")


@dataclass(frozen=True)
class Question:
    """A call or widget that gives what a person said: what reads it instead, and the variable that it reads."""

    node: ast.expr
    text: str
    variable: str
    secret: bool


def questions(
    statement: Statement, imports: Mapping[str, str], widgets: Mapping[str, ast.Call], own: frozenset[str]
) -> list[Question]:
    """What a statement asks of a person when it runs, and the widgets that it looks at; `own` are functions' names."""
    node = statement.node
    calls = [n for n in immediate(node) if isinstance(n, ast.Call)]
    seen = [n for n in walk(node) if isinstance(n, ast.Attribute) and n.attr == "value"] if widgets else []
    given = givings(node, imports) if calls or seen else {}
    found = []
    for call in calls:
        path = question_path(call, imports, own)
        if path in QUESTIONS:
            variable = _variable(call, path, given.get(id(call), Giving()), node)
            secret = path in SECRET_QUESTIONS or is_secret_name(variable)
            found.append(Question(call, read(variable), variable, secret))
    looks = [(look, look.value.id) for look in seen if isinstance(look.value, ast.Name) and _is_read(look)]
    return [*found, *(_looked_at(look, widgets[name]) for look, name in looks if name in widgets)]


def typed(node: ast.stmt, question: Question, values: Mapping[str, object]) -> Iterator[str]:
    """What somebody answered to the question of a secret, where the kernel still has it."""
    targets = node.targets if isinstance(node, ast.Assign) and question.secret else []
    for target in targets:
        value = values.get(target.id) if isinstance(target, ast.Name) else None
        if isinstance(value, str):
            yield value


def question_path(call: ast.Call, imports: Mapping[str, str], own: frozenset[str]) -> str:
    """The dotted path of a call that may ask a person, empty for a function of the notebook's own."""
    if isinstance(call.func, ast.Name) and call.func.id in own:
        return ""
    path = spelled_path(call.func, imports)
    if path.endswith(".get_secret") and any(p.startswith("kaggle_secrets") for p in imports.values()):
        return "kaggle_secrets.UserSecretsClient.get_secret"
    return path


def login(node: ast.stmt, imports: Mapping[str, str]) -> str | None:
    """The variable that makes a bare call of somebody's login unnecessary (may be empty); None for other statements."""
    call = node.value if isinstance(node, ast.Expr) else None
    if not isinstance(call, ast.Call) or call.args or any(k.arg in ("token", "key") for k in call.keywords):
        bare = isinstance(call, ast.Call) and spelled_path(call.func, imports).startswith("google.colab.")
        return "" if bare else None
    return LOGINS.get(spelled_path(call.func, imports))


def widgets_of(statements: Sequence[Statement], imports: Mapping[str, str]) -> dict[str, ast.Call]:
    """The names of the notebook's widgets, each with the call that made it."""
    return {
        statement.node.targets[0].id: statement.node.value
        for statement in statements
        if isinstance(statement.node, ast.Assign)
        and isinstance(statement.node.targets[0], ast.Name)
        and isinstance(statement.node.value, ast.Call)
        and spelled_path(statement.node.value.func, imports).startswith("ipywidgets.")
    }


def asks_inside(node: ast.stmt, imports: Mapping[str, str], own: frozenset[str]) -> Iterator[ast.Call]:
    """The questions in the functions that a statement defines."""
    now = {id(part) for part in immediate(node)}
    for part in walk(node):
        if isinstance(part, ast.Call) and id(part) not in now and question_path(part, imports, own) in QUESTIONS:
            yield part


def environment_setters(nodes: Iterable[ast.AST], imports: Mapping[str, str]) -> frozenset[str]:
    """The functions that set the environment variable that they are given to what somebody types."""
    return frozenset(
        node.name
        for node in nodes
        if isinstance(node, ast.FunctionDef)
        for part in walk(node)
        if isinstance(part, ast.Assign)
        and isinstance(part.targets[0], ast.Subscript)
        and isinstance(part.targets[0].slice, ast.Name)
        and spelled_path(part.targets[0].value, imports) == ENVIRONMENT
        and isinstance(part.value, ast.Call)
        and question_path(part.value, imports, frozenset()) in QUESTIONS
    )


def _variable(call: ast.Call, path: str, giving: Giving, node: ast.stmt) -> str:
    first = call.args[0] if call.args else None
    text = first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else ""
    if path.endswith((".userdata.get", ".get_secret")) and text:
        return _identifier(text)
    if giving.sets:
        return giving.name
    if giving.name:
        return variable_of("", giving.name, giving.callee)
    asked = _POLITE.sub("", _identifier(text))
    if asked and asked.count("_") < 4:
        return asked
    targets = [n.id for n in walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    return _identifier(targets[0]) if len(targets) == 1 else "SECRET" if path in SECRET_QUESTIONS else "VALUE"


def _identifier(text: str) -> str:
    return re.sub(r"\W+", "_", text.split("(")[0], flags=re.ASCII).strip("_").upper()


def _is_read(look: ast.Attribute) -> bool:
    return isinstance(look.ctx, ast.Load)


def _looked_at(look: ast.Attribute, made: ast.Call) -> Question:
    assert isinstance(look.value, ast.Name)
    variable = _identifier(look.value.id)
    kind = made.func.attr if isinstance(made.func, ast.Attribute) else getattr(made.func, "id", "")
    default = next((k.value for k in made.keywords if k.arg == "value"), None)
    secret = kind == "Password" or is_secret_name(variable)
    reading = read(variable)
    if isinstance(default, ast.Constant) and not secret:
        reading = f'os.environ.get("{variable}", {json.dumps(str(default.value), ensure_ascii=False)})'
    number = next((convert for start, convert in _NUMBERS.items() if kind.startswith(start)), "")
    if kind in ("Checkbox", "ToggleButton", "Valid"):
        reading = f'({reading} == "True")'
    return Question(look, f"{number}({reading})" if number else reading, variable, secret)
