"""What production would make of a finished job, beyond its status: the findings of a record."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rp_notebook.jobs.advice import advice_for
from rp_notebook.jobs.finding import Finding
from rp_notebook.jobs.job import Job
from rp_notebook.jobs.payload import ITEM_LIMIT, MB, NEAR, RUN_LIMIT, RUNSYNC_LIMIT
from rp_notebook.jobs.posts import Bare, Post

if TYPE_CHECKING:
    from rp_notebook.jobs.record import JobRecord, Sizes

LOSING_ITEMS_SHOWN = 3
# What asyncio says of each.
OWN_LOOP = re.compile(
    rb"(asyncio\.run\(\) cannot be called from a running event loop)"
    rb"|(Runner\.run\(\) cannot be called from a running event loop)"
    rb"|(This event loop is already running|Cannot run the event loop while another loop is running)"
)
OWN_LOOP_CALLS = ("", "asyncio.run()", "asyncio.Runner().run()", "loop.run_until_complete()")
NOT_UPLOADED = re.compile(rb'["/]((?:simulated_uploaded|local_upload)/[^"/]+)"')
PREFIX = 100_000  # bytes of an answer that are searched for what an exception says


def findings_of(record: JobRecord) -> tuple[Finding, ...]:
    """Everything about a finished job that only production would otherwise tell."""
    return (
        *_lost(record.job),
        *_oversized(record.sizes),
        *(_dropped(why) for why in record.dropped[:LOSING_ITEMS_SHOWN]),
        *_misread(record),
        *_not_uploaded(record),
        *record.noted,
    )


def taken_from(name: str) -> Finding:
    """A dict that outlives the job was returned, and the SDK took keys out of it."""
    message = (
        f"the SDK takes `error` and `refresh_worker` out of `{name}`, which outlives the job: next time they are gone"
    )
    return Finding("RPJ111", "error", message, f"return a copy: dict({name})")


def renamed(was: str, now: object) -> Finding:
    """The handler changed the id in its job."""
    goes = f"its answer goes to {now!r}" if isinstance(now, str) else "nothing can be posted"
    message = f"the handler changes job['id']: {goes}, {was} never ends, and the worker takes no more"
    return Finding("RPJ112", "error", message, "leave job['id'] as it is")


def told_late(seconds: float) -> Finding:
    """A progress update was sent just before the end."""
    message = f"the last progress update came {seconds * 1000:.0f} ms before the end: it may arrive after the answer"
    return Finding("RPJ113", "note", message, "the client then sees IN_PROGRESS again; leave the last update out")


def _not_uploaded(record: JobRecord) -> Iterator[Finding]:
    """`rp_upload` without a bucket (SDK: `_save_to_local_fallback`)."""
    for post in record.posts:
        if b"_upload" in post.body and (found := NOT_UPLOADED.search(post.body)):
            message = (
                f"{found[1].decode()!r} is on this machine's disk: rp_upload has no bucket here, and a worker without "
                "one answers with such a path too, which no client can read"
            )
            fix = "set BUCKET_ENDPOINT_URL, BUCKET_ACCESS_KEY_ID and BUCKET_SECRET_ACCESS_KEY, on the endpoint as well"
            yield Finding("RPJ160", "warning", message, fix)
            return


def _lost(job: Job) -> Iterator[Finding]:
    if job.lost and job.status == "IN_PROGRESS":
        message = f"production would lose this result: {job.lost}"
        yield Finding("RPJ101", "error", message, advice_for(job.lost))


def _oversized(sizes: Sizes) -> Iterator[Finding]:
    result = sizes.result or 0
    answer = f"the answer is {result / MB:.1f} MB"
    upload = "upload it and return a URL, or return less"
    if result > RUNSYNC_LIMIT:
        message = f"{answer}; /run takes 10 MB and /runsync 20 MB: the client would see COMPLETED without an output"
        yield Finding("RPJ102", "error", message, upload)
    elif result > RUN_LIMIT:
        message = f"{answer}; /run takes 10 MB: the client would see COMPLETED without an output (/runsync takes 20 MB)"
        yield Finding("RPJ103", "error", message, upload)
    elif result > NEAR * RUN_LIMIT:
        yield Finding("RPJ104", "warning", f"{answer}, close to the 10 MB of /run", upload)
    if sizes.request > RUN_LIMIT:
        takes = "neither /run nor /runsync takes it" if sizes.request > RUNSYNC_LIMIT else "only /runsync takes it"
        message = f"the request is {sizes.request / MB:.1f} MB: {takes}"
        yield Finding("RPJ105", "error", message, "send a URL instead of the data")
    if (sizes.largest_item or 0) > ITEM_LIMIT:
        message = f"a streamed item is {(sizes.largest_item or 0) / MB:.1f} MB; the platform splits items over 1 MB"
        yield Finding("RPJ106", "warning", message, "yield smaller items")


def _dropped(why: str) -> Finding:
    what = "a progress update" if why.startswith("progress") else "a streamed item"
    return Finding("RPJ107", "error", f"production would drop {what}: {why}", advice_for(why))


def _misread(record: JobRecord) -> Iterator[Finding]:
    if any(not post.valid_json for post in record.posts):
        message = "the answer holds NaN or Infinity, which is not valid JSON: most clients cannot parse it"
        yield Finding("RPJ108", "warning", message, "replace it by None before returning")
    final = record.final
    if final is None or len(final.body) > RUNSYNC_LIMIT:
        return
    yield from _own_loop(final)
    # The bytes are asked first: most answers need not be decoded to be judged.
    if not isinstance(final, Bare) and b'"error"' in final.body and not isinstance(record.answer.get("error", ""), str):
        message = "`error` is not text: users report that such jobs show COMPLETED, without an output"
        yield Finding("RPJ109", "error", message, "write str(...) around it")
    elif any(b'"errors"' in post.body and _has_errors(post.value.get("output")) for post in record.posts):
        message = "`errors` means nothing to the platform: the job counts as COMPLETED"
        yield Finding("RPJ110", "warning", message, "return {'error': '...'} or raise to fail the job")


def _own_loop(final: Post) -> Iterator[Finding]:
    start = final.body[:PREFIX]
    if b"event loop" in start and (found := OWN_LOOP.search(start)):  # a search for one text is 100 times as fast
        what = OWN_LOOP_CALLS[found.lastindex or 0]
        message = f"{what} in a handler fails in every worker: the SDK's loop is running"
        yield Finding("RPJ114", "error", message, "write `async def` and await, as `await work()`")


def _has_errors(output: Any) -> bool:
    return isinstance(output, dict) and bool(output.get("errors"))
