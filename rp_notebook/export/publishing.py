"""The files of a worker repository that others than the worker read: RunPod's Hub, GitHub's machines, pytest."""

from __future__ import annotations

from rp_notebook.export.draft import Draft
from rp_notebook.export.handler_tests import HANDLER_TESTS, handler_tests
from rp_notebook.export.hub import HUB, TESTS, hub_json, hub_tests
from rp_notebook.export.workflow import WORKFLOW, workflow


def published(draft: Draft, *, has_tests: bool) -> dict[str, str]:
    """These files by name; `has_tests` says whether tests/jobs.jsonl is there for tests/test_handler.py."""
    tests = hub_tests(draft)
    files = {HUB: hub_json(draft), WORKFLOW: workflow(draft, has_tests=has_tests)}
    files |= {HANDLER_TESTS: handler_tests(draft)} if has_tests else {}
    return files | ({TESTS: tests} if tests is not None else {})
