"""The files that others read of a worker repository: RunPod's Hub, and GitHub's machines."""

from __future__ import annotations

from rp_notebook.export.draft import Draft
from rp_notebook.export.hub import HUB, TESTS, hub_json, hub_tests
from rp_notebook.export.workflow import WORKFLOW, workflow


def published(draft: Draft, *, has_tests: bool) -> dict[str, str]:
    """The files for the Hub and for GitHub, by name; `has_tests` says whether tests/test_handler.py is there."""
    tests = hub_tests(draft)
    files = {HUB: hub_json(draft), WORKFLOW: workflow(draft, has_tests=has_tests, secrets=False)}
    return files | ({TESTS: tests} if tests is not None else {})
