"""Which texts in code are secrets, and under which environment variable a worker would find each."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping

from rp_notebook.jobs.masking import LONG_ENOUGH, is_secret_name, is_secret_variable, shapes_in

# The variable that the owner of a shape reads by itself, by how the shape begins; the longest comes first.
SHAPE_VARIABLES = (
    *(("sk-ant-", "ANTHROPIC_API_KEY"), ("sk-or-", "OPENROUTER_API_KEY"), ("sk-", "OPENAI_API_KEY")),
    *(("hf_", "HF_TOKEN"), ("rpa_", "RUNPOD_API_KEY"), ("AKIA", "AWS_ACCESS_KEY_ID"), ("ASIA", "AWS_ACCESS_KEY_ID")),
    *(("github_pat_", "GITHUB_TOKEN"), ("ghp_", "GITHUB_TOKEN"), ("gho_", "GITHUB_TOKEN"), ("glpat-", "GITLAB_TOKEN")),
    *(("xox", "SLACK_TOKEN"), ("AIza", "GOOGLE_API_KEY"), ("gsk_", "GROQ_API_KEY"), ("r8_", "REPLICATE_API_TOKEN")),
    *(("nvapi-", "NVIDIA_API_KEY"), ("pplx-", "PERPLEXITY_API_KEY"), ("tvly-", "TAVILY_API_KEY")),
    *(
        ("lsv2_", "LANGSMITH_API_KEY"),
        ("tgp_", "TOGETHER_API_KEY"),
        ("xai-", "XAI_API_KEY"),
        ("SG.", "SENDGRID_API_KEY"),
    ),
    *(
        ("sk_live_", "STRIPE_API_KEY"),
        ("sk_test_", "STRIPE_API_KEY"),
        ("npm_", "NPM_TOKEN"),
        ("-----BEGIN", "PRIVATE_KEY"),
    ),
)
# Libraries that take one token, and the variable that they read for it.
HUGGING_FACE = frozenset(
    {"huggingface_hub", "transformers", "diffusers", "datasets", "sentence_transformers", "peft", "accelerate"}
    | {"timm", "tokenizers", "optimum", "trl", "evaluate", "setfit", "open_clip", "faster_whisper", "vllm"}
)
# Keywords that do not say whose they are: the library or the class that is called does.
_ANYBODYS = frozenset(
    {"api_key", "apikey", "token", "key", "api_token", "access_token", "auth_token", "auth", "secret"}
)
# Names of classes and functions that do not say whose they are either.
_GENERIC = frozenset({"client", "asyncclient", "api", "init", "login", "connect", "session", "configure", "settings"})
# Values of parameters so named are long and random, and public.
_PUBLIC = re.compile(
    r"(?:^|_)(?:id|ids|revision|commit|sha\d*|md5|hash|digest|checksum|etag|integrity|known_hash|url|uri|ref|version"
    r"|seed|pattern|regex|uuid|guid|path|file|filename|name|model)$",
    re.IGNORECASE,
)
_UUID = re.compile(r"[0-9a-f]{8}(?:-?[0-9a-f]{4}){3}-?[0-9a-f]{12}", re.IGNORECASE)
_RANDOM = re.compile(r"[A-Za-z0-9+/=_-]{24,200}")
_IMAGES = ("iVBORw", "/9j/", "R0lGOD", "UklGR", "Qk0", "PHN2Z", "JVBERi", "AAAA")
_PLACEHOLDER = re.compile(
    r"<.*>|\[.*\]|\{.*\}|\$.*|%.*|\*+|\.{2,}|x{3,}|your.*|my[_-].*|.*(?:example|placeholder|changeme|redacted).*|empty|none"
    r"|null|dummy|fake|test|todo|string|not[_-]?(?:needed|used|required|set)|no[_-]?key(?:[_-]?required)?|unused|ollama"
    r"|lm-studio|anonymous|secret|token|password|passwd|key|api[_-]?key|bearer|basic|true|false|auto|default|prompt|hidden",
    re.IGNORECASE,
)
_WORDS = re.compile(r"[A-Z]*[a-z]+(?:[_-]?[A-Z][a-z]*|[_-][a-z]+)*|[A-Z_-]+")
_SCHEME = re.compile(r"(?:Bearer|Token|Basic|Key|Bot)\s+", re.IGNORECASE)
_NAMED_IN_COMMENT = re.compile(r"""([A-Za-z_][\w-]*)["']?\]?\s*[:=]\s*(?:[A-Za-z]+\()?\s*["']?([^\s"'#,)]+)""")
# Characters of a run in which random text changes between letters of one case, the other, and digits.
_RUN, _CHANGES, _BITS = 16, 0.3, 4.0


def secrets_of(text: str, name: str, known: Mapping[str, str]) -> list[str]:
    """The parts of a text in code that are secrets; `name` is what it is given to, `known` are secrets by value."""
    found = [secret for secret in known if secret in text]
    found += shapes_in(text)
    if not found and is_secret_name(name) and _is_plausible(_without_scheme(text), name):
        found.append(_without_scheme(text))
    if not found and _is_random(text) and not (_PUBLIC.search(name) and not is_secret_name(name)):
        found.append(text)
    return sorted(dict.fromkeys(_without_scheme(secret) for secret in found), key=len, reverse=True)


def secrets_in_comment(comment: str) -> Iterator[str]:
    """The values that a comment gives to names of secrets: `# api_key = "..."`."""
    for name, value in _NAMED_IN_COMMENT.findall(comment):
        if is_secret_name(name) and _is_plausible(value, name):
            yield value


def may_spread(secret: str) -> bool:
    """Whether a secret is looked for everywhere: a short or plain word may stand somewhere by chance."""
    return len(secret) >= LONG_ENOUGH and not (secret.isalpha() and secret.islower() and len(secret) < 20)


def variable_of(secret: str, name: str, callee: str) -> str:
    """The environment variable for a secret that is given to `name`, a keyword of `callee` where that is not empty."""
    words = _words(name)
    shape = next((variable for start, variable in SHAPE_VARIABLES if secret.startswith(start)), "")
    if name.isupper() and is_secret_variable(name) and name.lower() not in _ANYBODYS:
        return words
    if callee.split(".")[0] in HUGGING_FACE and shape in ("", "HF_TOKEN") and is_secret_name(name):
        return "HF_TOKEN"
    if shape:
        return shape
    if name.lower() in _ANYBODYS and callee:
        owner = _owner(callee)
        kind = "API_KEY" if name.lower() in ("key", "apikey", "auth", "secret") else words
        return f"{owner}_{kind}" if owner else kind
    return words or "SECRET"


def _owner(callee: str) -> str:
    parts = [part for part in callee.split(".") if part]
    named = [part for part in reversed(parts) if part.lower() not in _GENERIC and is_secret_name(part) is False]
    owner = next((part for part in named if part[:1].isupper()), parts[0] if len(parts) > 1 else "")
    owner = re.sub(r"^(?:Async|Chat)(?=[A-Z])|(?:Client|API|Api|Embeddings)$", "", owner)
    return _words(owner)


def _words(name: str) -> str:
    # OpenAI is one word, LangChainHub three: only a small letter before a run that goes on small begins a new one.
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])", "_", name)
    return re.sub(r"[^A-Z0-9]+", "_", spaced.upper()).strip("_")


def _without_scheme(text: str) -> str:
    found = _SCHEME.match(text)
    return text[found.end() :] if found and len(text) > found.end() else text


def _is_plausible(value: str, name: str) -> bool:
    if len(value) < 4 or any(c.isspace() for c in value) or _PLACEHOLDER.fullmatch(value):
        return False
    if value.lower() in name.lower() or (value.isidentifier() and value.isupper() and "_" in value):
        return False  # the name of a field or of a variable
    if re.search("passw|passphrase|pwd", name, re.IGNORECASE):
        return True
    mixed = any(c.isdigit() for c in value) and any(c.isalpha() for c in value)
    if re.fullmatch(r"(?:\w*_)?token", name, re.IGNORECASE) and name.islower():
        return len(value) >= 12 and mixed  # where words are counted, a token is a word
    return len(value) >= LONG_ENOUGH and (mixed or (value != value.lower() and not _WORDS.fullmatch(value)))


def _is_random(text: str) -> bool:
    if not _RANDOM.fullmatch(text) or _UUID.fullmatch(text) or text.startswith(_IMAGES):
        return False
    run = max(re.split(r"[^A-Za-z0-9]", text), key=len)
    if len(run) < _RUN or len(re.findall(r"\d+", run)) < 2:
        return False
    changes = sum(_kind(one) != _kind(other) for one, other in itertools.pairwise(run))
    return changes >= _CHANGES * len(run) and _bits(text) > _BITS


def _kind(character: str) -> str:
    return "0" if character.isdigit() else "a" if character.islower() else "A"


def _bits(text: str) -> float:
    return -sum(n / len(text) * math.log2(n / len(text)) for n in Counter(text).values())
