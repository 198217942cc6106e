"""The Dockerfile of a worker, and the .dockerignore beside it.

Written in the dialect that buildah 1.28 and every later builder understand: no heredocs, no `COPY --link`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from types import MappingProxyType

from rp_notebook.export.base_images import cuda_image, python_image
from rp_notebook.export.fetching import FETCH
from rp_notebook.export.vendored import VENDOR
from rp_notebook.export.weights import NO_WEIGHTS, Weights

BUILD = "docker build --platform linux/amd64"  # RunPod's machines; on an ARM Mac the default is another

# Outside /workspace, where the volume of a Pod would hide what the image holds, and off the small default.
CACHE = "/opt/huggingface"
HOME = "/app"

_IGNORED = (
    ".git/",
    ".gitignore",
    ".github/",
    ".runpod/",
    ".dockerignore",
    "Dockerfile",
    "README.md",
    "rp_manifest.json",
    "tests/",
    "*.ipynb",
    "**/.ipynb_checkpoints/",
    "**/__pycache__/",
    "**/*.pyc",
    ".env",
    ".env.*",
    ".venv/",
    "venv/",
)
_PACKAGES = """\
# Packages before code, so that a change of code does not install them again.
{copies}
RUN pip install --no-cache-dir -r /requirements.txt"""
# Who the worker runs as may write where it works and where it caches, and nowhere else.
_USER = """\
RUN useradd --create-home --uid 1001 worker && mkdir -p {folders} && chown worker:worker {folders}
USER 1001"""
# A build has no GPU; where a token is needed, it is mounted for this step alone and left in no layer.
_WEIGHTS = """\
# Weights before code, too: through the caches that the worker reads.
COPY {fetch} /tmp/{fetch}
RUN {secret}python /tmp/{fetch}"""
_SECRET = """\
--mount=type=secret,id=hf_token,mode=0444 \\
    HF_TOKEN="$(cat /run/secrets/hf_token 2>/dev/null || true)" """
_TEXTS = (".py", ".json", ".txt", ".md", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".csv")
_ON_VOLUMES = ("volume", "cached")
_PLAIN_NAME = re.compile(r"[\w./+@-]+", re.ASCII)


def dockerfile(
    *,
    python: str,
    torch_build: str | None,
    apt: Sequence[str] = (),
    files: Sequence[str],
    base: str | None = None,
    settings: Mapping[str, str] = MappingProxyType({}),
    weights: Weights = NO_WEIGHTS,
) -> str:
    """The text of a Dockerfile that runs `/app/handler.py` of `files`.

    `python` is like "3.11", `torch_build` like "cu121" (None or "cpu": no CUDA), `apt` names system packages,
    `files` are POSIX names in the repository, `base` is an image to build on instead of ours,
    `settings` are environment variables to set. Packages go into a
    virtual environment: it gives every image a `python`, also those whose own refuses `pip install` (PEP 668).
    """
    code = [name for name in files if not name.startswith(f"{VENDOR}/") and name != FETCH]
    baked = weights.mode == "bake"
    offline = {name: value for name, value in weights.settings.items() if baked and name.endswith("_OFFLINE")}
    homes = {name: value for name, value in weights.settings.items() if name not in offline}
    head = f"# {build_command(token=baked and weights.token)} -t worker ."
    blocks = [
        f"{head}\nARG BASE_IMAGE={image_for(python, torch_build, base)}\nFROM ${{BASE_IMAGE}}",
        _environment(base, {**homes, **settings}),
        *([_apt_install(apt)] if apt else []),
        _virtual_environment(python, torch_build, base),
        _PACKAGES.format(copies="\n".join(_requirement_copies(files))),
        # A volume belongs to root, and so do the folders of an image that somebody else set up.
        *(
            [_USER.format(folders=" ".join(_own_folders(homes)))]
            if not base and weights.mode not in _ON_VOLUMES
            else []
        ),
        *([_WEIGHTS.format(fetch=FETCH, secret=_SECRET if weights.token else "")] if baked else []),
        *([_assigned(offline)] if offline else []),
        "\n".join(_copies(code)),
        f'WORKDIR {HOME}\nCMD ["python", "-u", "{HOME}/handler.py"]',
    ]
    return "\n\n".join(blocks) + "\n"


def build_command(*, token: bool = False) -> str:
    """The command that builds an image, but for its name; with the secret of a token where one is needed."""
    return f"{BUILD} --secret id=hf_token,env=HF_TOKEN" if token else BUILD


def dockerignore(files: Iterable[str]) -> str:
    """What the build need not see; never a pattern that would hide one of the `files` to copy."""
    names = tuple(files)
    kept = [pattern for pattern in _IGNORED if not any(_hides(pattern, name) for name in names)]
    return "".join(f"{pattern}\n" for pattern in kept)


def image_for(python: str, torch_build: str | None, base: str | None = None) -> str:
    """The image that a worker is built on."""
    cuda = cuda_image(torch_build)
    return base or (cuda.image if cuda else python_image(python))


def _environment(base: str | None, more: Mapping[str, str]) -> str:
    # The SDK logs each step of each job at its default level, and the platform throttles long logs.
    settings = {"PYTHONUNBUFFERED": "1", "RUNPOD_LOG_LEVEL": "INFO", "HF_HOME": CACHE}
    if base and base.startswith("runpod/"):
        # These images switch on a downloader that they do not install into a virtual environment.
        settings["HF_HUB_ENABLE_HF_TRANSFER"] = "0"
    return _assigned({**settings, **more})


def _assigned(settings: Mapping[str, str]) -> str:
    return "ENV " + " \\\n    ".join(f"{name}={_word(value)}" for name, value in settings.items())


def _own_folders(homes: Mapping[str, str]) -> list[str]:
    return [HOME, CACHE, *sorted({home for home in homes.values() if home.startswith("/opt/") and home != CACHE})]


def _requirement_copies(files: Sequence[str]) -> Iterator[str]:
    yield "COPY requirements.txt /requirements.txt"
    if any(name.startswith(f"{VENDOR}/") for name in files):
        yield f"COPY {VENDOR}/ /{VENDOR}/"


def _word(value: str) -> str:
    # Docker expands variables in what ENV is given, and ends it at a blank.
    escaped = re.sub(r'(["\\$])', r"\\\1", value)
    return value if _PLAIN_NAME.fullmatch(value) else f'"{escaped}"'


def _apt_install(packages: Sequence[str]) -> str:
    return f"# hadolint ignore=DL3008\nRUN {_and(_apt(sorted(set(packages))))}"


def _apt(packages: Sequence[str]) -> list[str]:
    return [
        "apt-get update",
        f"DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends {' '.join(packages)}",
        "rm -rf /var/lib/apt/lists/*",
    ]


def _and(commands: Sequence[str], indent: int = 4) -> str:
    return f" \\\n{' ' * indent}&& ".join(commands)


def _virtual_environment(python: str, torch_build: str | None, base: str | None) -> str:
    command = f"python{python}"
    cuda = cuda_image(torch_build)
    path = "ENV PATH=/opt/venv/bin:$PATH"
    if base:
        # What a chosen image has installed (torch, mostly) is why it was chosen.
        return f'RUN "$(command -v {command} || echo python3)" -m venv --system-site-packages /opt/venv\n{path}'
    if cuda is None:
        return f"RUN python3 -m venv /opt/venv\n{path}"
    install = _apt([command, f"{command}-venv", "ca-certificates"])
    if python != cuda.distro_python:
        # Ubuntu's archive has one Python; the others come from the archive that its users maintain.
        sources = _apt(["software-properties-common", "gnupg", "ca-certificates"])
        install = [*sources, "add-apt-repository -y ppa:deadsnakes/ppa", *install]
    # Asked first, for a BASE_IMAGE that has this Python already.
    return (
        f"# hadolint ignore=DL3008\nRUN if ! command -v {command}; then \\\n        {_and(install, 8)}; \\\n    fi \\\n"
        f"    && {command} -m venv /opt/venv\n{path}"
    )


def _copies(files: Sequence[str]) -> Iterable[str]:
    groups: dict[tuple[bool, str], list[str]] = {}
    with_code = {PurePosixPath(name).parent for name in files if name.endswith(".py")}
    for name in sorted(set(files)):
        path = PurePosixPath(name)
        large = path.suffix not in _TEXTS if path.parent == PurePosixPath() else path.parent not in with_code
        groups.setdefault((not large, path.parent.as_posix()), []).append(name)
    # What may be large comes first: a change of code does not copy it again.
    for (_, folder), names in sorted(groups.items()):
        target = f"{HOME}/" if folder == "." else f"{HOME}/{folder}/"
        if all(_PLAIN_NAME.fullmatch(name) for name in (*names, folder)):
            yield f"COPY {' '.join([*names, target])}"
        else:
            words = [*map(_literal, names), target.replace("$", "\\$")]
            yield f"COPY {json.dumps(words, ensure_ascii=False)}"


def _literal(name: str) -> str:
    # COPY reads its sources as patterns and expands variables in them.
    return re.sub(r"([\[*?])", r"[\1]", name).replace("$", "\\$")


def _hides(pattern: str, name: str) -> bool:
    path = PurePosixPath(name)
    bare = pattern.removeprefix("**/")
    if bare.endswith("/"):
        folders = path.parts[:-1] if pattern.startswith("**/") else path.parts[:1][: len(path.parts) - 1]
        return bare.rstrip("/") in folders
    return path.match(bare) and (pattern.startswith("**/") or len(path.parts) == 1)
