"""Where a worker's weights are: in its image, on a network volume, in the platform's cache, or fetched at start.

The seconds are estimates from the rates below, which are dated: 2026-11.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from rp_notebook.errors import BadInput
from rp_notebook.export.models import Model
from rp_notebook.jobs.finding import Finding
from rp_notebook.jobs.pools import GB

Mode = Literal["bake", "volume", "cached", "runtime"]
MODES: tuple[Mode, ...] = get_args(Mode)

# GB a second. A volume gives 0.2 to 0.4 (facts/runpod-contract.md 7.4); the others are our reading of a local NVMe
# disk and of a download from Hugging Face.
_DISK, _VOLUME, _DOWNLOAD = 1.0, 0.3, 0.1
BAKED_GB = 20.0  # beyond, an image takes longer to build and to pull than it saves
IMAGE_LIMIT_GB = 80.0  # RunPod's builds (facts/runpod-contract.md 7.7)
START_LIMIT_S = 420  # a worker that is not ready then is unhealthy (facts/runpod-contract.md 9.3)

_HOMES = {
    "torch.hub": ("TORCH_HOME", "torch"),
    "nltk": ("NLTK_DATA", "nltk_data"),
    "whisper": ("XDG_CACHE_HOME", "cache"),
}
_VOLUME_PATH = "/runpod-volume"
# The platform's own cache of models (facts/runpod-contract.md 7.4).
_CACHED_HUB = "/runpod-volume/huggingface-cache/hub"
_OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}


@dataclass(frozen=True)
class Option:
    """One way to have the weights: the seconds that a cold start spends on them, and why it cannot be, if so."""

    mode: Mode
    seconds: float
    about: str
    impossible: str = ""


@dataclass(frozen=True)
class Weights:
    """The weights of a worker and where they are; `mode` is None where it loads nothing by name."""

    models: tuple[Model, ...] = ()
    mode: Mode | None = None
    options: tuple[Option, ...] = ()
    token: bool = False

    @property
    def gb(self) -> float:
        """GB of 10^9 bytes, as far as they are known."""
        return sum(model.size or 0 for model in self.models) / GB

    @property
    def baked_bytes(self) -> int:
        """What the image holds of them."""
        return round(self.gb * GB) if self.mode == "bake" else 0

    @property
    def later_bytes(self) -> int:
        """What a worker downloads onto its own disk as it starts."""
        return round(self.gb * GB) if self.mode == "runtime" else 0

    @property
    def seconds(self) -> float:
        """What a cold start spends on them, about."""
        return next((option.seconds for option in self.options if option.mode == self.mode), 0.0)

    @property
    def settings(self) -> Mapping[str, str]:
        """The environment variables that lead loaders to them."""
        hub = any(_is_hub(model) for model in self.models)
        root = _VOLUME_PATH if self.mode == "volume" else "/opt"
        kinds = {_kind(model) for model in self.models}
        homes = {name: f"{root}/{folder}" for kind, (name, folder) in _HOMES.items() if kind in kinds}
        match self.mode:
            case "volume":
                return {"HF_HOME": f"{root}/huggingface", **homes}
            case "cached":
                return {"HF_HUB_CACHE": _CACHED_HUB, **_OFFLINE}
        return homes if self.mode != "bake" or not hub else {**homes, **_OFFLINE}


NO_WEIGHTS = Weights()


def weights_of(
    models: Sequence[Model], asked: str | None = None, *, other_gb: float = 0.0, token: bool = False, fixed: bool = True
) -> tuple[Weights, tuple[Finding, ...]]:
    """The weights, as `asked` or else as their size suggests, and what there is to say.

    `other_gb` is the rest of the image, `token` whether a token is needed to fetch them, `fixed` whether the
    environment cannot choose other models. Raises `BadInput` for a way that there is not.
    """
    if asked is not None and asked not in MODES:
        raise BadInput(f"--weights {asked}: there are {', '.join(MODES)}")
    fetched = tuple(model for model in models if model.kind != "spacy")  # a package, and pinned as one
    if not fetched:
        return NO_WEIGHTS, ()
    known = Weights(fetched, token=token)
    options = tuple(_options(known, other_gb))
    mode = next(option.mode for option in options if (option.mode == asked if asked else not option.impossible))
    chosen = Weights(fetched, mode, options, token)
    return chosen, tuple(_findings(chosen, other_gb, fixed=fixed))


def _options(weights: Weights, other_gb: float) -> list[Option]:
    gb = weights.gb
    repos = {model.id for model in weights.models if _is_hub(model)}
    foreign = [model.id for model in weights.models if not _is_hub(model)]
    too_large = other_gb + gb > IMAGE_LIMIT_GB
    at_most = f"an image may have {IMAGE_LIMIT_GB:.0f} GB" if too_large else ""
    slow = f"{gb:.1f} GB make builds and pulls slow" if gb > BAKED_GB and not too_large else ""
    why = f"{foreign[0]} is not from Hugging Face" if foreign else f"{len(repos)} models" if len(repos) != 1 else ""
    return [
        Option("bake", gb / _DISK, "in the image: fetched once, at the build", at_most or slow),
        Option("cached", gb / _DISK, "the endpoint's Model field: RunPod fetches it, once per machine", why),
        Option("volume", gb / _VOLUME, f"a network volume at {_VOLUME_PATH}: the first worker fetches them"),
        Option("runtime", gb / _DOWNLOAD + gb / _DISK, "every cold start downloads them"),
    ]


def _findings(weights: Weights, other_gb: float, *, fixed: bool) -> list[Finding]:
    chosen = next(option for option in weights.options if option.mode == weights.mode)
    found = []
    unknown = [model.id for model in weights.models if model.size is None]
    if unknown:
        message = f"{', '.join(unknown)}: not in this machine's cache, so that its size and revision are not known"
        found.append(Finding("RPX251", "warning", message, "run the cell that loads it here, and export again"))
    if chosen.impossible and chosen.mode == "cached":
        message = f"--weights cached: the platform caches one Hugging Face repository ({chosen.impossible})"
        found.append(Finding("RPX252", "error", message, "use --weights bake or volume"))
    if weights.mode == "bake" and other_gb + weights.gb > IMAGE_LIMIT_GB:
        message = f"the image would have about {other_gb + weights.gb:.0f} GB; RunPod builds up to {IMAGE_LIMIT_GB:.0f}"
        found.append(Finding("RPX253", "error", message, "use --weights volume or cached"))
    if chosen.seconds > START_LIMIT_S:
        message = f"weights of {weights.gb:.0f} GB take about {chosen.seconds:.0f} s at each cold start ({chosen.mode})"
        fix = f"a worker is unhealthy after {START_LIMIT_S} s: --weights bake or cached, or set RUNPOD_INIT_TIMEOUT"
        found.append(Finding("RPX254", "warning", message, fix))
    if weights.mode == "runtime":
        message = f"{weights.gb:.1f} GB are downloaded at each cold start, about {chosen.seconds:.0f} s"
        found.append(Finding("RPX255", "warning", message, "use --weights bake, volume or cached"))
    if not fixed and weights.mode in ("bake", "cached"):
        message = "the environment may name another model than the one that is there, and the worker starts offline"
        found.append(Finding("RPX256", "note", message, "set HF_HUB_OFFLINE=0 where you name another"))
    return found


def _is_hub(model: Model) -> bool:
    """Whether it comes from Hugging Face's hub, into its cache."""
    return model.kind in ("model", "dataset", "timm", "open_clip") and _kind(model) != "whisper"


def _kind(model: Model) -> str:
    return "whisper" if model.loader == "whisper.load_model" else model.kind
