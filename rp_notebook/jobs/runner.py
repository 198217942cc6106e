"""Runs one job on a handler and tells what happens, step by step as the SDK's worker loop would have it.

Held to `rp_job.py` and `rp_http.py` of SDK 1.12 by tests that drive the real worker.
"""

from __future__ import annotations

import inspect
import json
import sys
import traceback
import types
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import aclosing
from itertools import islice
from typing import Any

from rp_notebook.jobs.events import Completed, Event, Failed, Lost, Started, Yielded
from rp_notebook.jobs.finding import Finding
from rp_notebook.jobs.handler import Handler, Kind
from rp_notebook.jobs.interrupts import cancellable, obey
from rp_notebook.jobs.judgement import taken_from
from rp_notebook.jobs.keeping import kept_as
from rp_notebook.jobs.likeness import likeness
from rp_notebook.jobs.payload import first_unencodable, type_name
from rp_notebook.jobs.posts import Post, post_of

Clock = Callable[[], float]

UNKNOWN_SDK = "1.12.0"  # what error records name where the SDK is not installed: the release we are held to
SDK_DEBUGGER = "runpod.serverless.utils.rp_debugger"
RENDER_ITEMS = 1000  # how many values of a level are searched for objects whose __repr__ might fail
RENDER_DEPTH = 100  # nested deeper than this, rendering might exceed the recursion limit
CALLERS = frozenset({"rp_notebook.jobs.runner", "rp_notebook.jobs.driving"})  # what stands where the SDK does
RENDER_BITS = 14_000  # Python writes no whole number of more than 4,300 digits, which is some more bits
LEAVES = frozenset({str, float, bool, type(None)})
PLAIN = LEAVES | {dict, list}  # what most answers are


async def run(
    handler: Handler, job: dict[str, Any], clock: Clock, tell: Callable[[Event], None], note: Callable[[Finding], None]
) -> Event:
    """How one job ends. The handler gets `job` itself and may change it; `tell` hears of every event before the
    returned one, `Started` first, and `note` of what no event tells.

    Nothing the handler raises escapes, but `asyncio.CancelledError` and `KeyboardInterrupt`: whoever stops a job
    knows why, and says so.
    """
    tell(Started(clock()))
    try:
        if handler.streams:
            return await _streamed(handler, job, clock, tell)
        return await _plain(handler, job, clock, note)
    except SystemExit as exit_:
        said = f"the handler called sys.exit({exit_.code!r}): the worker process ends and posts nothing"
        return Lost(clock(), said, fatal=True)
    except Exception as escaped:  # noqa: BLE001 (it escapes the SDK's handle_job too: logged there, and nothing is posted)
        return Lost(clock(), f"{type(escaped).__name__} while the answer was prepared: {_text(escaped)}")


async def _plain(handler: Handler, job: dict[str, Any], clock: Clock, note: Callable[[Finding], None]) -> Event:
    try:
        obey()
        answer = handler.call(job)
        if type(answer) not in PLAIN and inspect.isawaitable(answer):
            answer = await (answer if cancellable() else _by_driver(answer))
        if foreign := _is_foreign(answer):
            f"{answer}"
        result = _result(answer)
        if "error" in result or "stopPod" in result:
            for name in kept_as(answer, handler.call):
                note(taken_from(name))
    except Exception as error:  # noqa: BLE001 (the user's code failed: that is data)
        result, foreign = {"error": error_text(error)}, False
    if foreign:
        repr(result)  # logged by the SDK outside its try: a failing __repr__ loses the job
    return _ending(result, handler, job, clock)


async def _streamed(handler: Handler, job: dict[str, Any], clock: Clock, tell: Callable[[Event], None]) -> Event:
    result: dict[str, Any] = {"output": []}
    async with aclosing(_chunks(handler, job)) as chunks:
        async for chunk, foreign in chunks:
            if foreign:
                repr(chunk)  # logged by the SDK outside the generator's try: a failing __repr__ loses the job
            if isinstance(chunk.get("output"), dict) and chunk["output"].get("error"):
                chunk = {"error": str(chunk["output"]["error"])}
            if chunk.get("error"):
                result = chunk
                break
            if handler.aggregate:
                result["output"].append(chunk["output"])
            tell(_streaming(chunk, job, clock))
    return _ending(result, handler, job, clock)


async def _chunks(handler: Handler, job: dict[str, Any]) -> AsyncGenerator[tuple[dict[str, Any], bool], None]:
    try:
        obey()
        if handler.kind is Kind.ASYNC_GENERATOR:
            async for item in handler.call(job):
                yield _chunk(item)
                obey()
        else:
            for item in handler.call(job):
                yield _chunk(item)
                obey()
    except Exception as error:  # noqa: BLE001 (the user's code failed: that is data)
        yield {"error": f"handler: {error!s} \ntraceback: {_traceback(error)}"}, False


def _chunk(item: Any) -> tuple[dict[str, Any], bool]:
    if foreign := _is_foreign(item):
        f"{item}"
    return {"output": item}, foreign


@types.coroutine
def _by_driver(answer: Awaitable[Any]) -> Generator[Awaitable[Any], Any, Any]:
    """Hands an awaitable to whoever drives this job by hand, outside any task, and gets its result back."""
    return (yield answer)


def _result(answer: Any) -> dict[str, Any]:
    if not isinstance(answer, dict):
        return _without_empty({"output": answer})
    error = answer.pop("error", None)  # from the handler's own dict, as the SDK does
    refresh = answer.pop("refresh_worker", None)
    result: dict[str, Any] = {"output": answer}
    if error:
        result["error"] = error
    if refresh:
        result["stopPod"] = True
    return _without_empty(result)


def _without_empty(result: dict[str, Any]) -> dict[str, Any]:
    if result["output"] == {}:  # an array compares item by item and raises here, which makes it an error record
        del result["output"]
    return result


def _ending(result: dict[str, Any], handler: Handler, job: dict[str, Any], clock: Clock) -> Event:
    if handler.refresh:
        result["stopPod"] = True
    if debugger := sys.modules.get(SDK_DEBUGGER):
        debugger.clear_debugger_output()  # else a FunctionTimer would raise in the second job
    if misaddressed := _misaddressed(job):
        return Lost(clock(), misaddressed)
    try:
        post = post_of("done", result, is_stream=handler.streams)
    except (TypeError, ValueError, RecursionError) as error:
        return Lost(clock(), _why(result, error), likeness(result.get("output")))
    # Users report that a job with any other kind of error is shown as COMPLETED (facts/runpod-contract.md 2.3).
    return (Failed if isinstance(result.get("error"), str) else Completed)(clock(), post)


def _streaming(chunk: dict[str, Any], job: dict[str, Any], clock: Clock) -> Yielded:
    post: Post | None = None
    lost = _misaddressed(job)
    if lost:
        return Yielded(clock(), None, lost)
    try:
        post = post_of("stream", chunk)
    except (TypeError, RecursionError) as error:
        lost = _why(chunk, error)
    return Yielded(clock(), post, lost)


def _misaddressed(job: dict[str, Any]) -> str | None:
    """Why nothing can be posted for a job that lost its id: the SDK logs and addresses everything with it."""
    id_ = job["id"]  # when it is gone, KeyError ends the job in the SDK too
    return None if isinstance(id_, str) else f"job['id'] is {type_name(id_)} now: the answer has no address"


def _why(result: dict[str, Any], error: Exception) -> str:
    return first_unencodable(result) or f"the answer is not JSON: {error}"


def error_text(error: BaseException) -> str:
    """The text that a worker posts as `error` for an exception: JSON with six keys. Raises if `str(error)` does."""
    record = {
        "error_type": str(type(error)),
        "error_message": str(error),
        "error_traceback": _traceback(error),
        "hostname": "unknown",
        "worker_id": "unknown",
        "runpod_version": sdk_version(),
    }
    return json.dumps(record)


def sdk_version() -> str:
    """The installed `runpod` version, without importing it."""
    from importlib import metadata  # only a failing job needs it, and it takes longer to load than all of this room

    try:
        return metadata.version("runpod")
    except metadata.PackageNotFoundError:
        return UNKNOWN_SDK


def _traceback(error: BaseException) -> str:
    frames = last = error.__traceback__
    while frames is not None:
        if frames.tb_frame.f_globals.get("__name__") in CALLERS:
            last = frames
        frames = frames.tb_next
    # Below the last of ours is the user's code; without any, our last frame stands for the SDK's.
    shown = last.tb_next or last if last else None
    return "".join(traceback.format_exception(type(error), error, shown))


def _text(error: BaseException) -> str:
    return traceback.format_exception_only(type(error), error)[-1].strip()


def _is_foreign(value: Any) -> bool:
    """Whether rendering `value` could run somebody's code, or nest too deep. Looks at the first items only."""
    if type(value) in LEAVES or (type(value) is dict and _is_flat(value)):
        return False
    level: list[Any] = [value]
    for _ in range(RENDER_DEPTH):
        below: list[Any] = []
        for item in level:
            kind = type(item)
            if kind is dict:
                below += islice(item, RENDER_ITEMS)
                below += islice(item.values(), RENDER_ITEMS)
            elif kind is list or kind is tuple:
                below += item[:RENDER_ITEMS]
            elif kind not in LEAVES and (kind is not int or item.bit_length() > RENDER_BITS):
                return True
        level = below[:RENDER_ITEMS]
        if LEAVES.issuperset(map(type, level)):
            return False
    return True


def _is_flat(value: dict[Any, Any]) -> bool:
    """Whether nothing in a dict is foreign and nothing nests: most answers, at a fifth of the cost of the search."""
    for item in islice(value.values(), RENDER_ITEMS):
        if type(item) not in LEAVES and (type(item) is not int or item.bit_length() > RENDER_BITS):
            return False
    return LEAVES.issuperset(map(type, islice(value, RENDER_ITEMS)))
