"""What a handler prints is kept for its job, however jobs overlap, and is seen all the same."""

from __future__ import annotations

import asyncio
import io
import sys
import threading
from contextlib import redirect_stdout

from rp_notebook.jobs.capture import KEPT_CHARACTERS, Copied, copied_output
from rp_notebook.jobs.handler import as_handler
from rp_notebook.jobs.history import History
from rp_notebook.jobs.request import request_of
from rp_notebook.jobs.worker import Worker


def printed_at_once(handler, inputs: list) -> list[str]:
    """What each job printed; the stream is left as it was, and has seen it all."""
    requests = [request_of({"input": given}) for given in inputs]
    with redirect_stdout(io.StringIO()) as seen:
        records = asyncio.run(Worker(History()).run_together(as_handler(handler), requests))
        assert sys.stdout is seen
    printed = [record.printed for record in records]
    assert sorted(seen.getvalue()) == sorted("".join(printed))
    return printed


def test_prints_of_overlapping_jobs_are_told_apart() -> None:
    async def handler(job):
        for _ in range(2):
            print(job["input"], end="")
            await asyncio.sleep(0.01)

    assert printed_at_once(handler, ["a", "b", "c"]) == ["aa", "bb", "cc"]


def test_jobs_that_end_in_another_order_leave_the_stream_as_it_was() -> None:
    async def handler(job):
        await asyncio.sleep(job["input"])
        print(job["input"], end="")

    assert printed_at_once(handler, [0.03, 0.01, 0.02]) == ["0.03", "0.01", "0.02"]


def test_tasks_and_threads_of_a_job_print_for_it() -> None:
    async def handler(job):
        await asyncio.gather(asyncio.to_thread(print, job["input"]), asyncio.create_task(said(job["input"])))

    async def said(text):
        print(text)

    assert printed_at_once(handler, ["a", "b"]) == ["a\na\n", "b\nb\n"]


def test_a_thread_that_knows_no_job_prints_for_the_only_one() -> None:
    def handler(job):
        thread = threading.Thread(target=print, args=("from a thread",))
        thread.start()
        thread.join()

    assert printed_at_once(handler, ["a"]) == ["from a thread\n"]


def test_a_task_of_no_job_is_seen_and_kept_for_none() -> None:
    async def cell():
        async def background():
            await asyncio.sleep(0.01)
            print("background")

        async def handler(job):
            print("job")
            await asyncio.sleep(0.03)

        task = asyncio.create_task(background())
        record = await Worker(History()).run(as_handler(handler), request_of(1))
        await task
        return record.printed

    with redirect_stdout(io.StringIO()) as seen:
        assert asyncio.run(cell()) == "job\n"
    assert seen.getvalue() == "job\nbackground\n"


def test_only_the_first_characters_are_kept_and_all_are_seen() -> None:
    with redirect_stdout(io.StringIO()) as seen, copied_output() as kept:
        for _ in range(3):
            print("x" * 60_000, end="")
    assert len(kept.getvalue()) == KEPT_CHARACTERS
    assert len(seen.getvalue()) == 180_000


def test_a_handler_that_redirects_its_output_has_the_last_word() -> None:
    mine = io.StringIO()
    with redirect_stdout(io.StringIO()):
        with copied_output() as kept:
            sys.stdout = mine
            print("mine")
        assert sys.stdout is mine
    assert (mine.getvalue(), kept.getvalue()) == ("mine\n", "")


def test_the_stream_is_in_all_else_the_one_behind_it(tmp_path) -> None:
    with (tmp_path / "out").open("w", encoding="latin-1") as through:
        copied = Copied(through)
        copied.buffer.write(b"raw")
        copied.writelines(["a", "b"])
        copied.close()
        assert (copied.encoding, copied.errors, copied.isatty()) == ("latin-1", "strict", False)
        assert copied.fileno() == through.fileno()
        assert isinstance(copied, io.TextIOBase)
        assert not through.closed
    assert (tmp_path / "out").read_text() == "rawab"
