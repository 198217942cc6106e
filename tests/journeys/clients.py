"""RunPod's Python clients, as a user writes them; prints what they got as JSON: `python clients.py ENDPOINT KEY`."""

import asyncio
import json
import sys
import time

import runpod
from runpod import AsyncioEndpoint, AsyncioJob, http_client

NAME, KEY = sys.argv[1:]


def until(look, what):
    while look() != what:
        time.sleep(0.05)


def synchronous():
    endpoint = runpod.Endpoint(NAME, api_key=KEY)
    got = {"run_sync": endpoint.run_sync({"input": {"items": [1, "é"]}})}
    got["run_sync of a failing job"] = endpoint.run_sync({"input": {"fail": "boom"}})
    job = endpoint.run({"input": {"items": [{"a": None}]}})
    got["output"], got["status"] = job.output(timeout=20), job.status()
    got["stream"] = list(endpoint.run({"input": {"items": ["a", "b", "c"], "pause": 0.1}}).stream())
    running = endpoint.run({"input": {"sleep": 60}})
    until(running.status, "IN_PROGRESS")
    waiting = [endpoint.run({"input": {"items": [0]}}) for _ in range(2)]
    got["health"] = endpoint.health()["jobs"]
    got["purge"] = endpoint.purge_queue()
    got["cancel"] = running.cancel()["status"]
    got["after"] = [job.status() for job in (running, *waiting)]
    got["next"] = endpoint.run_sync({"input": {"items": ["next"]}})
    try:
        runpod.Endpoint(NAME, api_key="wrong").run({"input": {}})
    except RuntimeError:
        got["wrong key"] = "RuntimeError"
    return got


async def asynchronous():
    runpod.api_key = KEY
    async with http_client.AsyncClientSession() as session:
        endpoint = AsyncioEndpoint(NAME, session)
        job: AsyncioJob = await endpoint.run({"items": [1, "é"]})
        got = {"output": await job.output(timeout=20), "status": await job.status()}
        job = await endpoint.run({"items": ["a", "b"], "pause": 0.1})
        got["stream"] = [item async for item in job.stream()]
        job = await endpoint.run({"sleep": 60})
        while await job.status() != "IN_PROGRESS":
            await asyncio.sleep(0.05)
        got["health"] = (await endpoint.health())["jobs"]["inProgress"]
        got["cancel"] = (await job.cancel())["status"]
        got["purge"] = await endpoint.purge_queue()
        return got


print(json.dumps({"sync": synchronous(), "asyncio": asyncio.run(asynchronous())}))
