"""`%runpod rehearse`: traffic on the warm handler, the deployed endpoint simulated from it, failures on request."""

from __future__ import annotations

import math
from argparse import Namespace
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rp_notebook.errors import BadInput
from rp_notebook.jobs.flag_parser import FlagParser
from rp_notebook.jobs.handler import Handler
from rp_notebook.jobs.interrupts import Stop, Stoppable
from rp_notebook.jobs.query import Query
from rp_notebook.jobs.request import refuse_oversized, request_of, whole_job
from rp_notebook.jobs.schema import refuse_unfit
from rp_notebook.jobs.worker import taken_up
from rp_notebook.kernel.inputs import input_of, price_table
from rp_notebook.kernel.session import Session
from rp_notebook.panel.report import Report

if TYPE_CHECKING:
    from rp_notebook.endpoint.faults import Fault
    from rp_notebook.endpoint.scaling import Rules, Scaling
    from rp_notebook.endpoint.traffic import Traffic
    from rp_notebook.kernel.rehearsed import Target

RATE, PERIOD_S = 1.0, 10.0
MIX, MIX_BYTES = 50, 50_000_000  # the latest jobs, which make up the traffic
MOST_JOBS = 100_000
ENDED = ("COMPLETED", "FAILED", "LOST", "TOO LARGE")


def rehearse_flags() -> FlagParser:
    """The flags of `%runpod rehearse`."""
    from rp_notebook.endpoint.faults import FAULTS

    about = (
        "Send traffic to the handler, made of its golden jobs or its last ones, and show how it fares; then simulate "
        "the deployed endpoint under the same traffic: how long jobs wait there, and what they cost."
    )
    parser = FlagParser(prog="%runpod rehearse", add_help=False, description=about)
    parser.add_argument("-n", "--name", metavar="NAME", help="the handler (default: the latest registered)")
    parser.add_argument("--rate", type=float, metavar="R", help=f"jobs a second, at random (default: {RATE:g})")
    parser.add_argument("--burst", type=int, metavar="N", help="they come N at a time")
    parser.add_argument(
        "--concurrency", type=int, metavar="N", help="or N clients: each sends its next job after the last"
    )
    parser.add_argument("--for", dest="period", type=float, metavar="S", help=f"seconds (default: {PERIOD_S:g})")
    parser.add_argument(
        "--inputs", metavar="LIST", help="a list of inputs to take jobs from, or one: a variable, @file"
    )
    parser.add_argument("--timeout", type=float, metavar="S", help="seconds a job may take")
    parser.add_argument("--workers-min", type=int, metavar="N", help="of the endpoint: workers that always run")
    parser.add_argument("--workers-max", type=int, metavar="N", help="and how many there are at most")
    parser.add_argument("--scale-by", choices=("delay", "requests"), help="when it adds workers")
    parser.add_argument("--scale-threshold", type=float, metavar="X", help="seconds that jobs wait, or jobs a worker")
    parser.add_argument("--idle-timeout", type=float, metavar="S", help="seconds a worker waits for another job")
    parser.add_argument("--cold-start", type=float, metavar="S", help="seconds a worker needs before its first job")
    parser.add_argument("--pool", metavar="POOL", help="the GPU pool whose price counts (default: the cheapest)")
    parser.add_argument("--seconds", type=float, metavar="S", help="how long a job takes there (default: as here)")
    parser.add_argument("--prices", metavar="FILE", help="GPU pools and prices from this JSON file, from now on")
    kinds = f"instead, let a job fail and show what a client gets: {', '.join(FAULTS)} (default: each)"
    parser.add_argument("--fail", nargs="?", const="all", choices=("all", *FAULTS), metavar="KIND", help=kinds)
    return parser


async def rehearsed(session: Session, flags: Namespace) -> Report:
    """Plays the traffic that the flags mean, and simulates it. Raises `BadInput`, and `UnknownHandler`."""
    from rp_notebook.endpoint.rehearsal import Rehearsal  # loaded when somebody rehearses
    from rp_notebook.endpoint.scaling import shipped_rules
    from rp_notebook.jobs.pools import demand_of
    from rp_notebook.kernel.rehearsed import rehearsal_report

    handler = session.handlers.chosen(flags.name, session.namespace)
    if flags.fail is not None:
        return await _failed(session, handler, flags.fail)
    traffic, seconds = _traffic(flags), PERIOD_S if flags.period is None else flags.period
    if not 0 < seconds < math.inf:
        raise BadInput("--for is a number of seconds above 0")
    jobs_come = max(0 if traffic.clients else traffic.rate * seconds, traffic.burst, traffic.clients)
    if jobs_come > MOST_JOBS:
        raise BadInput(f"{jobs_come:,.0f} jobs would come, and at most {MOST_JOBS:,}: give a lower --rate")
    target = _target(session, flags, shipped_rules())
    jobs, source = _jobs(session, handler, flags)
    print(f"Sending jobs to {handler.name} for {seconds:g} s; Ctrl-C or Stop ends it.")  # noqa: T201 (it takes a while)
    with Stoppable((Stop(),)):  # what is reckoned takes a moment: an interrupt is none of its business
        found = await Rehearsal(handler, session.worker, jobs, traffic, seconds, flags.timeout).played()
        for record in found.odd:
            session.history.ended(record)
        records = (*session.history.of(handler.name, handler.version), *found.gauged)
        sent = f"{traffic}, for {seconds:g} s, from {source}"
        return rehearsal_report(handler, found, sent, traffic, target, demand_of(records))


async def _failed(session: Session, handler: Handler, kind: str) -> Report:
    from rp_notebook.endpoint.faults import FAULTS, injected
    from rp_notebook.kernel.rehearsed import fault_report

    kinds = [*FAULTS] if kind == "all" else [kind]
    faults: list[Fault] = []
    stop = Stop()
    with Stoppable((stop,)):
        await taken_up((stop,))
        for kind in kinds:
            fault = await injected(kind, handler, session.worker) if stop.reason is None else None
            faults += [] if fault is None else [fault]
        return fault_report(handler, faults, stopped=stop.reason is not None)


def _traffic(flags: Namespace) -> Traffic:
    from rp_notebook.endpoint.traffic import Traffic

    if flags.concurrency is not None:
        if flags.rate is not None or flags.burst is not None:
            raise BadInput("--concurrency takes the place of --rate and --burst: its clients wait for their answers")
        if flags.concurrency < 1:
            raise BadInput("--concurrency takes a number from 1 on")
    burst = 1 if flags.burst is None else flags.burst
    return Traffic(RATE if flags.rate is None else flags.rate, burst, flags.concurrency or 0)


def _scaling(flags: Namespace, rules: Rules) -> Scaling:
    from rp_notebook.endpoint.scaling import Scaling

    def given(name: str, usual: Any) -> Any:
        value = getattr(flags, name)
        return usual if value is None else value

    usual = rules.usual
    least = given("workers_min", usual.workers_min)
    most = given("workers_max", max(usual.workers_max, least))
    scale_by = given("scale_by", usual.scale_by)
    threshold = given("scale_threshold", rules.thresholds[scale_by])
    return Scaling(least, most, scale_by, threshold, given("idle_timeout", usual.idle_timeout_s))


def _target(session: Session, flags: Namespace, rules: Rules) -> Target:
    """The endpoint that is to be simulated: its settings, its prices, its cold start."""
    from rp_notebook.jobs.pools import shipped
    from rp_notebook.kernel.rehearsed import Target

    if flags.prices is not None:
        session.prices = price_table(flags.prices)
    table = (session.prices or shipped()).only([] if flags.pool is None else [flags.pool])
    cold, told = rules.assumed_cold_start_s, "assumed: --cold-start S, or %runpod prove DIR, which measures it"
    if flags.cold_start is not None:
        cold, told = flags.cold_start, "by --cold-start"
    elif session.cold_start is not None:
        folder, cold = session.cold_start
        told = f"measured by %runpod prove {folder}"
    if not 0 <= cold < math.inf:
        raise BadInput("--cold-start is a number of seconds")
    for flag, value in (("--seconds", flags.seconds), ("--timeout", flags.timeout)):
        if value is not None and not 0 < value < math.inf:
            raise BadInput(f"{flag} is a number of seconds above 0")
    return Target(_scaling(flags, rules), rules, table, cold, told, flags.seconds)


def _jobs(session: Session, handler: Handler, flags: Namespace) -> tuple[list[dict[str, Any]], str]:
    """What the traffic is made of, and where that is from."""
    if flags.inputs is not None:
        value = _inputs(flags.inputs, session)
        inputs = value if isinstance(value, list) else [value]
        if not inputs:
            raise BadInput("--inputs is an empty list: give at least one input")
        jobs, schema = [whole_job(each) for each in inputs], session.schema_of(handler)
        for job in jobs:  # refused now, and not in the middle
            if schema is not None:
                refuse_unfit(job["input"], schema)
            refuse_oversized(request_of(job), "run")
        return [_without_id(job) for job in jobs], f"{_counted(len(jobs), 'input')} of --inputs"
    golden = [*_kept(session, Query(handler=handler.name, golden=True))]
    jobs = golden or [*_kept(session, Query(handler=handler.name, outcomes=ENDED, last=MIX))]
    if not jobs:
        if session.history.lines(Query(handler=handler.name, outcomes=ENDED, last=1)):
            raise BadInput(f"the secrets in the jobs of {handler.name} were not kept: give --inputs LIST")
        raise BadInput(f"no job of {handler.name} has ended yet: %runpod job {{...}}, or give --inputs LIST")
    return jobs, _counted(len(jobs), "golden job" if golden else "job") + ("" if golden else " of the history")


def _inputs(text: str, session: Session) -> Any:
    try:
        return input_of(text, session.namespace)
    except BadInput as error:
        hint = "; quotes in it need quotes around it: --inputs '[{...}]'" if text[:1] in ("[", "{") else ""
        raise BadInput(f"{error}{hint}") from None


def _kept(session: Session, query: Query) -> Iterator[dict[str, Any]]:
    held = 0
    for record in session.history.records(query):
        held += record.sizes.request
        if not record.masked and held <= MIX_BYTES:
            yield _without_id(record.job.request.decoded())


def _without_id(job: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in job.items() if key != "id"}


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"
