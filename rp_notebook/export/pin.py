"""How one installed distribution is written down so that another machine gets the same."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit, urlunsplit

from packaging.version import InvalidVersion, Version

from rp_notebook.export.base_images import torch_index
from rp_notebook.export.installed import Installed
from rp_notebook.jobs.finding import Finding


@dataclass(frozen=True)
class Pin:
    """One line of requirements.txt.

    `specifier` is the line as pip takes it; `version` is None where the line leaves it open. `index` is the wheel
    index that the line needs beside the usual one. `build` is set for torch: `cu121`, `cpu`, None where unknown.
    `links` are further lines that it needs, as `--find-links ADDRESS`; `wheel` has the bytes of the file that the line
    names, where only this machine has the package.
    """

    name: str
    version: str | None
    specifier: str
    index: str | None = None
    build: str | None = None
    links: tuple[str, ...] = ()
    wheel: bytes | None = field(default=None, repr=False)


def pin_of(one: Installed, extras: frozenset[str] = frozenset()) -> tuple[Pin | None, list[Finding]]:
    """The pin of what is installed, with `extras`, and what there is to say; no pin where only this machine has it.

    Where it came from is read from its `direct_url.json` (PEP 610); without one it came from an index.
    """
    name = one.name + (f"[{','.join(sorted(extras))}]" if extras else "")
    url = one.direct_url.get("url", "")
    if one.source_folder is not None or "dir_info" in one.direct_url:
        if _by_conda(one):
            return _released(one, name)
        return None, [_local(one, "is installed from a folder of this machine")]
    if "vcs_info" in one.direct_url:
        return _from_source(one, name, url)
    if "archive_info" in one.direct_url and not url.startswith("file:"):
        return _from_archive(one, name, url)
    if url and not _is_release(one.version):
        return None, [_local(one, f"{one.version} is installed from a file of this machine and is no release")]
    return _released(one, name)


def _by_conda(one: Installed) -> bool:
    # conda writes the folder of its own build machine there; the version is that of a release.
    return not one.direct_url.get("dir_info", {}).get("editable") and _installer(one) == "conda"


def _installer(one: Installed) -> str:
    return (one.distribution.read_text("INSTALLER") or "").strip()


def _local(one: Installed, why: str) -> Finding:
    fix = f"install a release ({one.name}==...) or its public repository (git+https://...) instead"
    return Finding("RPX202", "error", f"{one.name} {why}, which the worker does not have", fix)


def _from_source(one: Installed, name: str, url: str) -> tuple[Pin | None, list[Finding]]:
    info = one.direct_url["vcs_info"]
    public = _without_credentials(url)
    if public is None or urlsplit(url).scheme == "file":
        return None, [_local(one, "is installed from a repository that only this machine reaches")]
    subfolder = one.direct_url.get("subdirectory")
    place = f"{info['vcs']}+{public}@{info['commit_id']}" + (f"#subdirectory={subfolder}" if subfolder else "")
    return Pin(one.name, one.version, f"{name} @ {place}"), _credentials_dropped(one, url, public)


def _from_archive(one: Installed, name: str, url: str) -> tuple[Pin | None, list[Finding]]:
    public = _without_credentials(url)
    if public is None:
        return None, [_local(one, "is installed from an address with a query, which may hold a secret")]
    digest = one.direct_url["archive_info"].get("hashes", {}).get("sha256")
    place = public + (f"#sha256={digest}" if digest else "")
    return Pin(one.name, one.version, f"{name} @ {place}"), _credentials_dropped(one, url, public)


def _without_credentials(url: str) -> str | None:
    parts = urlsplit(url)
    if parts.query:
        return None
    user, at, host = parts.netloc.rpartition("@")
    # The user of an ssh address ("git@") is part of the address; that of a web address is a credential.
    kept = f"{user.partition(':')[0]}@" if at and parts.scheme == "ssh" else ""
    return urlunsplit((parts.scheme, kept + host, parts.path, "", ""))


def _credentials_dropped(one: Installed, url: str, public: str) -> list[Finding]:
    if urlsplit(url).netloc == urlsplit(public).netloc:
        return []
    message = f"{one.name} is installed with a user or token in its address: it is left out of requirements.txt"
    return [Finding("RPX209", "warning", message, "give the build access by a build secret")]


def _released(one: Installed, name: str) -> tuple[Pin, list[Finding]]:
    version = version_of(one.version)
    if version is None:
        return Pin(one.name, one.version, f"{name}=={one.version}"), []
    index = torch_index(version.local or "", nightly=version.is_devrelease)
    pin = Pin(one.name, version.public, f"{name}=={version.public}", index)
    if one.key == "torch":
        pin = replace(pin, build=(version.local if index else None) or _cuda_of(one))
    if version.local is None or index is not None:
        return pin, []
    message = f"{one.name} {one.version} is a build of its own; requirements.txt asks for {version.public}"
    return pin, [Finding("RPX204", "warning", message, "prove the worker with that release, or give the build's URL")]


def _cuda_of(torch: Installed) -> str | None:
    # Wheels from the usual index carry no build in their version; torch notes it in a file of assignments.
    try:
        tree = ast.parse((torch.folder / "torch" / "version.py").read_text("utf-8"))
    except (OSError, SyntaxError, UnicodeDecodeError):
        return None
    for node in tree.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        value = getattr(node, "value", None)
        if isinstance(target, ast.Name) and target.id == "cuda" and isinstance(value, ast.Constant) and value.value:
            return "cu" + str(value.value).replace(".", "")
    return None


def _is_release(version: str) -> bool:
    parsed = version_of(version)
    return (
        parsed is not None
        and not parsed.is_devrelease
        and (parsed.local is None or torch_index(parsed.local) is not None)
    )


def version_of(text: str) -> Version | None:
    """The version, ordered as PEP 440 says; None for one that is older than that."""
    try:
        return Version(text)
    except InvalidVersion:
        return None
