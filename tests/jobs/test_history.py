"""A history on a real disk: what it keeps, in which order, and what it survives."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rp_notebook import JobRecord, run_job
from rp_notebook.errors import BadInput
from rp_notebook.jobs.events import Started
from rp_notebook.jobs.finding import Finding
from rp_notebook.jobs.gauge import Gauge
from rp_notebook.jobs.history import History
from rp_notebook.jobs.query import Query
from rp_notebook.jobs.store import Store


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "folder" / "jobs.sqlite"


def opened(path: Path, **options: Any) -> History:
    return History(lambda: [path], **options)


def ran(history: History, handler: Any, given: Any, **job: Any) -> JobRecord:
    """Runs a job as a notebook's worker would tell a history of it."""
    record = run_job(handler, {"input": given, **job})
    history.happened(record.job, Started(0.0))
    history.ended(record)
    return record


def interrupted(*_: Any) -> None:
    raise KeyboardInterrupt


def echo(job: dict[str, Any]) -> Any:
    return {"echo": job["input"]}


def items(job: dict[str, Any]) -> Any:
    yield from job["input"]


def fails(job: dict[str, Any]) -> Any:
    raise ValueError("boom")


def loses(job: dict[str, Any]) -> Any:
    return {"a": {1, 2}}


def fails_oddly(job: dict[str, Any]) -> Any:
    raise ValueError("caf\udce9")


@pytest.mark.parametrize(
    ("handler", "given"),
    [
        (echo, {"a": "hé"}),
        (echo, "x" * 50_000),
        (items, [1, "y" * 9000, 3]),
        (fails, 1),
        (loses, 1),
        (echo, float("nan")),
        (fails_oddly, 1),
        (lambda _job: {"caf\udce9": set()}, 1),
    ],
    ids=["small", "large", "stream", "failed", "lost", "nan", "not UTF-8", "lost for that"],
)
def test_a_job_comes_back_as_it_was_in_the_next_kernel(path, handler, given) -> None:
    history = opened(path)
    record = ran(history, handler, given)
    history.close()
    (back,) = opened(path).records()
    assert (back.job, back.posts, back.dropped) == (record.job, record.posts, record.dropped)
    assert (back.outcome, back.findings, back.note) == (record.outcome, record.findings, record.note)


def test_what_is_not_utf8_is_kept_escaped(path) -> None:
    printed = replace(run_job(fails_oddly, {"api_key": "k", "text": "x"}), printed="caf\udce9")
    request = printed.job.request._replace(body='{"id": "1", "input": {"api_key": "k", "text": "\\ud800"}}')
    history = opened(path)
    history.ended(replace(printed, job=printed.job._replace(request=request)))
    (back,) = opened(path).records()
    assert (back.printed, back.job.input["text"], back.job.input["api_key"]) == ("caf\udce9", "\ud800", "***")
    assert history.lines()[0].note.endswith("caf\\udce9")


def test_a_job_whose_writing_is_interrupted_leaves_the_file_free_and_is_written_later(path, monkeypatch) -> None:
    history, record = opened(path), run_job(echo, "x" * 9000)
    monkeypatch.setattr(Store, "_keep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        history.happened(record.job, Started(0.0))
    monkeypatch.undo()
    other = opened(path)
    ran(other, echo, 2)
    other.close()
    history.ended(record)
    assert [(each.job.input, each.outcome) for each in history.records()] == [
        (2, "COMPLETED"),
        ("x" * 9000, "COMPLETED"),
    ]


def test_what_was_printed_measured_and_noted_comes_back(path) -> None:
    record = run_job(echo, 1)
    gauge = Gauge(cpu_ms=1.5, rss_before=1, rss_after=2, rss_peak=3)
    record = JobRecord(record.job, record.posts, ("why",), "printed", gauge, (Finding("RPJ1", "note", "m", "f"),))
    history = opened(path)
    history.ended(record)
    (back,) = history.records()
    assert (back.dropped, back.printed, back.gauge, back.noted) == (
        record.dropped,
        record.printed,
        record.gauge,
        record.noted,
    )


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_job_that_cannot_be_kept_keeps_no_others_from_the_disk(path, monkeypatch, at_once) -> None:
    def failing(self: Store, row: int, record: JobRecord, request: Any) -> None:
        if record.job.input == 1:
            raise RecursionError
        end(self, row, record, request)

    end = Store._end
    monkeypatch.setattr(Store, "_end", failing)
    history = opened(path)
    for number in range(3):
        record = run_job(echo, number)
        with suppress(RecursionError):
            history.ended(record, at_once=at_once)
        time.sleep(0.05)
    with suppress(RecursionError):
        history.flush()
    assert [record.job.input for record in opened(path).records()] == [0, 2]


def test_thousands_of_jobs_in_a_burst_are_all_kept_in_order(path) -> None:
    history = opened(path)
    for number in range(3000):
        ran(history, echo, number, id=f"job-{number}")
    history.close()
    assert [record.job.input for record in opened(path).records()] == list(range(3000))


def test_jobs_with_the_same_id_are_told_apart(path) -> None:
    history = opened(path)
    jobs = [run_job(echo, {"id": "same", "input": number}) for number in range(3)]
    for record in jobs:
        history.happened(record.job, Started(1.0))
    for record in jobs:
        history.ended(record)
    assert [(line.id, line.outcome) for line in history.lines()] == [("same", "COMPLETED")] * 3


KILLED = """
import os, signal, sys, time
from pathlib import Path
from rp_notebook import run_job
from rp_notebook.jobs.events import Started
from rp_notebook.jobs.history import History
at_once = bool(sys.argv[2])
history = History(lambda: [Path(sys.argv[1])])
for number in range(50):
    record = run_job(lambda job: job["input"], {"id": f"job-{number}", "input": number})
    history.happened(record.job, Started(time.time()), at_once=at_once)
    if number < 49:
        history.ended(record, at_once=at_once)
time.sleep(0.5)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("at_once", ["at once", ""], ids=["at once", "behind"])
def test_a_killed_process_leaves_its_jobs_and_the_running_one_as_interrupted(path, at_once) -> None:
    assert subprocess.run([sys.executable, "-c", KILLED, path, at_once]).returncode == -9
    history = opened(path)
    assert history.tally() == {"COMPLETED": 49, "INTERRUPTED": 1}
    (line,) = history.lines(Query(outcomes=("INTERRUPTED",)))
    assert (line.id, line.ms, line.note) == ("job-49", None, "")
    (record,) = history.records(Query(ids=("job-49",)))
    assert (record.job.input, record.outcome, record.note) == (49, "INTERRUPTED", "the kernel died while the job ran")


FULL = """
import os, resource, sys
from pathlib import Path
from rp_notebook import run_job
from rp_notebook.jobs.events import Started
from rp_notebook.jobs.history import History
said = []
at_once = bool(sys.argv[2])
history = History(lambda: [Path(sys.argv[1])], warn=said.append)
for number in range(200):
    if number == 20:
        history.flush()
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))  # no file may grow any more
    record = run_job(lambda job: os.urandom(2000).hex(), number)  # what can be pressed takes too little room
    history.happened(record.job, Started(1.0), at_once=at_once)
    history.ended(record, at_once=at_once)
lines = history.lines()  # the last jobs may have waited for whoever looks
print(len(said), history.path, len(lines), history.tally())
"""


@pytest.mark.parametrize("at_once", ["at once", ""], ids=["at once", "behind"])
def test_a_full_disk_costs_one_warning_and_no_job(path, at_once) -> None:
    done = subprocess.run([sys.executable, "-c", FULL, path, at_once], capture_output=True, text=True)
    assert done.stdout.strip() == "1 None 200 {'COMPLETED': 200}", done.stderr
    assert opened(path).tally()["COMPLETED"] >= 20


@pytest.mark.parametrize("trouble", ["no database", "later version", "no folder"])
def test_a_file_that_cannot_be_used_is_left_alone_and_told_once(path, trouble) -> None:
    path.parent.mkdir()
    if trouble == "no database":
        path.write_bytes(b"something else entirely" * 100)
    elif trouble == "later version":
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA user_version = 99")
    else:
        path = path / "nothing" / "jobs.sqlite"
        path.parent.parent.write_text("a file where a folder should be")
    before = path.read_bytes() if path.is_file() else b""
    said: list[str] = []
    history = opened(path, warn=said.append)
    ran(history, echo, 1)
    ran(history, echo, 2)
    assert (len(said), history.path, history.tally()) == (1, None, {"COMPLETED": 2})
    assert str(path) in said[0]
    assert (path.read_bytes() if path.is_file() else b"") == before


def test_the_second_place_is_taken_where_the_first_cannot_be_written(path, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    said: list[str] = []
    history = History(lambda: [tmp_path / "file" / "jobs.sqlite", path], warn=said.append)
    ran(history, echo, 1)
    assert (history.path, said) == (path, [])


def test_two_kernels_of_one_notebook_write_into_one_file(path) -> None:
    one, other = opened(path), opened(path)
    for number in range(20):
        ran(one, echo, number)
        ran(other, echo, number)
    one.flush()
    other.flush()
    assert one.tally() == {"COMPLETED": 40}


def test_a_forked_process_leaves_the_file_to_its_parent(path) -> None:
    history = opened(path)
    ran(history, echo, 1)
    child = os.fork()
    if child == 0:
        ran(history, echo, 2)
        history.close()
        os._exit(0)
    os.waitpid(child, 0)
    ran(history, echo, 3)
    assert [record.job.input for record in history.records()] == [1, 3]


SECRET = "hf_" + "a1B2" * 8


def on_disk(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in path.parent.iterdir())


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"api_key": "shh-1234", "a": 1}, {"api_key": "***", "a": 1}),
        ({"text": SECRET}, {"text": "***"}),
        ({"nested": [{"password": "shh-1234"}]}, {"nested": [{"password": "***"}]}),
        ({"padding": "x" * 300_000, "token": "shh-1234"}, {"padding": "x" * 300_000, "token": "***"}),
    ],
    ids=["key", "shape", "nested", "large"],
)
def test_a_secret_never_reaches_the_disk(path, given, shown) -> None:
    def repeats(job):
        yield f"given: {job['input']}"
        raise ValueError(f"cannot use {job['input']}")

    history = opened(path)
    ran(history, repeats, given)
    ran(history, echo, given)
    history.flush()
    first, second = history.records()
    assert (first.job.input, second.output) == (shown, {"echo": shown})
    assert (len(first.masked), len(first.posts)) == (1, 2)
    assert b"shh-1234" not in on_disk(path)
    assert SECRET.encode() not in on_disk(path)


def test_a_large_body_is_kept_once(path) -> None:
    history = opened(path)
    for _ in range(10):
        ran(history, echo, "x" * 400_000)
    history.close()
    assert path.stat().st_size < 2_000_000
    assert [len(record.job.input) for record in opened(path).records()] == [400_000] * 10


def test_over_the_budget_the_oldest_jobs_go_and_golden_ones_stay(path) -> None:
    history = opened(path, budget=1_000_000)
    for number in range(40):
        ran(history, lambda job: f"{job['input']}" * 60_000, number + 10)
        if number == 3:
            history.flush()
            history.set_golden(history.lines()[3].row, golden=True)
    kept = [record.job.input for record in history.records()]
    assert kept[0] == 13
    assert kept[1:] == list(range(50 - len(kept) + 1, 50))
    assert 4 <= len(kept) <= 12
    assert next(history.records(Query(golden=True))).output == "13" * 60_000
    history.close()
    assert len(opened(path, budget=1_000_000).lines()) == len(kept)


def test_the_latest_job_stays_however_large(path) -> None:
    history = opened(path, budget=1000)
    for number in range(3):
        ran(history, lambda job: "x" * 300_000, number)
    assert [record.job.input for record in history.records()] == [2]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (Query(), [0, 1, 2, 3, 4, 5]),
        (Query(last=2), [4, 5]),
        (Query(handler="echo"), [0, 3, 4]),
        (Query(outcomes=("FAILED", "LOST")), [1, 2]),
        (Query(text="needle"), [4]),
        (Query(text="boom"), [1]),
        (Query(ids=("b-",)), [3, 4]),
        (Query(order="in"), [5, 4]),
        (Query(handler="echo", order="out", last=1), [4]),
        (Query(order="time", reverse=True), [5, 4, 3, 2, 1, 0]),
        (Query(handler="echo", order="in", reverse=True, last=1), [0]),
        (Query(handler="nobody"), []),
    ],
    ids=str,
)
def test_a_query_narrows_sorts_and_cuts(path, query, found) -> None:
    history = opened(path)
    jobs = [(echo, "a", "a-0"), (fails, "b", "a-1"), (loses, "c", "a-2"), (echo, "dd", "b-3")]
    jobs += [(echo, "a long needle" * 3, "b-4"), (items, ["x" * 100], "c-5")]
    for handler, given, id_ in jobs:
        ran(history, handler, given, id=id_)
    assert [int(line.id[-1]) for line in history.lines(query)][: len(found)] == found
    if query.order is None:
        assert len(history.lines(query)) == len(found)
        assert [record.id for record in history.records(query)] == [line.id for line in history.lines(query)]


def test_a_query_for_what_is_not_there_says_what_is() -> None:
    with pytest.raises(BadInput, match="sorted by time, ms"):
        Query(order="colour")
    with pytest.raises(BadInput, match="COMPLETED, FAILED, LOST"):
        Query(outcomes=("GONE",))


def test_only_jobs_of_this_kernel_count_for_a_handlers_version(path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, path, "at once"], check=False)
    history = opened(path)
    name = next(history.records()).job.handler
    record = run_job(lambda job: 1, 1)
    history.ended(record)
    assert record.job.handler == name
    assert [found.id for found in history.of(name, 1)] == [record.id]
    assert len(history.lines()) == 51


def test_the_first_job_of_a_version_is_cold(path) -> None:
    history = opened(path)
    for _ in range(3):
        ran(history, echo, 1)
    assert [line.cold for line in history.lines()] == [1, 0, 0]


def test_git_never_sees_the_folder(path) -> None:
    ran(opened(path), echo, 1)
    assert (path.parent / ".gitignore").read_text() == "*\n"


def test_a_closed_history_opens_again(path) -> None:
    history = opened(path)
    ran(history, echo, 1)
    history.close()
    ran(history, echo, 2)
    assert [json.loads(record.job.request.body)["input"] for record in history.records(Query(here=True))] == [1, 2]
