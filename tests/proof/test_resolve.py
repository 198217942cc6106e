"""Requirements before anything is built: a real resolve against a real index."""

from __future__ import annotations

import json

import pytest

from rp_notebook.proof.resolve import conflicts_of, unresolved


def files(requirements: str, python: str = "3.11") -> dict[str, bytes]:
    return {"requirements.txt": requirements.encode(), "rp_manifest.json": json.dumps({"python": python}).encode()}


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("requirements", "code", "told"),
    [
        ("runpod==1.12.0\naiohttp==3.9.5\n", "RPP128", "aiohttp"),  # the SDK's own floor, by way of what it requires
        ("fastjsonschema==2.21.2\n", None, ""),
        ("rp-notebook-is-no-such-distribution==1\n", "RPP129", "No matching distribution"),
    ],
    ids=["the floor of the SDK", "sound", "nowhere"],
)
def test_a_resolve_says_what_cannot_be_installed(requirements, code, told) -> None:
    found = conflicts_of(files(requirements))
    assert [finding.code for finding in found] == ([code] if code else []), found
    assert all(told in finding.fix for finding in found)


def test_where_no_index_answers_nothing_is_claimed(monkeypatch) -> None:
    for name in ("INDEX_URL", "EXTRA_INDEX_URL", "FIND_LINKS"):
        monkeypatch.setenv(f"PIP_{name}", "http://127.0.0.1:9/simple" if name == "INDEX_URL" else "")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    assert [finding.code for finding in conflicts_of(files("fastjsonschema==2.21.2\n"))] == ["RPP132"]


def test_a_resolve_that_takes_too_long_is_given_up(tmp_path) -> None:
    for name, body in files("a==1\n").items():
        (tmp_path / name).write_bytes(body)
    (finding,) = unresolved(tmp_path, "3.11", timeout_s=0.01)
    assert (finding.code, finding.severity) == ("RPP132", "note")
