"""What the panel may ask of a kernel: forms, jobs, the history, an export and its proof, the endpoint."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from html import escape
from typing import TYPE_CHECKING, Any

from rp_notebook.errors import BadInput
from rp_notebook.jobs.handler import Handler
from rp_notebook.jobs.posts import Post
from rp_notebook.jobs.query import Query
from rp_notebook.jobs.record import JobRecord
from rp_notebook.jobs.request import refuse_oversized, request_of
from rp_notebook.jobs.schema import refuse_unfit
from rp_notebook.kernel import commands
from rp_notebook.kernel.addresses import on_pod
from rp_notebook.kernel.cancelling import cancelled
from rp_notebook.kernel.declaring import described
from rp_notebook.kernel.errand import Errand, Say
from rp_notebook.kernel.keys import keys_of
from rp_notebook.kernel.pump import Order, Pump
from rp_notebook.kernel.session import Session
from rp_notebook.panel import result
from rp_notebook.panel.feed import Feed
from rp_notebook.panel.values import Allowance

if TYPE_CHECKING:
    from rp_notebook.panel.widget import Answer

ROWS = 10_000  # the latest jobs, which the panel holds and filters itself
MEDIA = 8_000_000  # bytes of media in one result: here nothing is saved in a file
NODES = 5000
GIVEN = 200_000  # bytes of an input that is filled into the form again
DIFFERENCES = 50


class Desk:
    """Answers a panel. `say` tells it what it did not ask for. What takes long is done elsewhere and told later."""

    def __init__(self, session: Session, pump: Pump, say: Say, first: str | None) -> None:
        self._session, self._pump, self._say, self._first = session, pump, say, first
        self._announced: list[dict[str, Any]] = []
        self._asked: set[str] = set()  # jobs of the panel that have not ended
        self._errand: Errand | None = None  # the latest
        self.feed = Feed(session.history, say, self._told)

    @property
    def answers(self) -> Mapping[str, Answer]:
        """What can be asked, by name."""
        names = (
            "hello",
            "form",
            "run",
            "cancel",
            "job",
            "compare",
            "golden",
            "search",
            "export",
            "prove",
            "give_up",
            "serve",
        )
        return {name: getattr(self, f"_{name}") for name in names}

    def announce(self, *_: object) -> None:
        """Tells the panel when handlers came or changed."""
        handlers = self._handlers()
        if handlers != self._announced:
            self._announced = handlers
            self._say({"kind": "handlers", "handlers": handlers})

    def _handlers(self) -> list[dict[str, Any]]:
        return [{"name": each.name, "said": described(each)} for each in reversed(tuple(self._session.handlers))]

    def _hello(self, _: Any) -> dict[str, Any]:
        self._announced = self._handlers()
        path = self._session.history.path
        return {
            "handlers": self._announced,
            "first": self._first,
            "rows": self._session.history.lines(Query(last=ROWS)),
            "live": self.feed.live,
            "history": str(path) if path is not None else "",
            "endpoint": self._endpoint(),
        }

    def _form(self, given: Any) -> dict[str, Any]:
        handler = self._chosen(given)
        ran = list(self._session.history.records(Query(handler=handler.name, last=1)))
        known = [record.job.input for record in ran if record.sizes.request <= GIVEN and not record.masked]
        return {"fields": keys_of(self._session, handler), "last": known[0] if known else None, "ran": bool(known)}

    def _run(self, given: Any) -> dict[str, Any]:
        """Sends a job to the pump: with an input, or with that of the job in a row of the history."""
        handler = self._chosen(given)
        job = self._again(given["row"]) if "row" in given else {"input": given["input"]}
        schema = self._session.schema_of(handler)
        if schema is not None:
            refuse_unfit(job["input"], schema)
        request = request_of(job)
        refuse_oversized(request, "run")
        self._asked.add(request.id)
        self._pump.offer(Order(handler.name, request, _Outlet(self._refused)))
        return {"id": request.id, "waits": self._pump.in_cell}

    def _again(self, row: int) -> dict[str, Any]:
        record = self._record(row)
        if record.masked:
            raise BadInput(f"the secrets of that job were not kept ({', '.join(record.masked)}): give them in the form")
        return {key: value for key, value in record.job.request.decoded().items() if key != "id"}

    def _cancel(self, given: Any) -> dict[str, Any]:
        running = cancelled(self._session, given["id"])
        self._asked -= set() if running else {given["id"]}
        return {"running": bool(running)}

    def _job(self, given: Any) -> dict[str, Any]:
        return self._shown(self._record(given["row"]))

    def _compare(self, given: Any) -> dict[str, Any]:
        from rp_notebook.proof.comparison import differences
        from rp_notebook.proof.rerun import seen

        one, other = (self._record(row) for row in given["rows"])
        pairs = (({"input": one.job.input}, {"input": other.job.input}), (seen(one), seen(other)))
        found = [str(difference) for pair in pairs for difference in differences(*pair, "")]
        listed = "".join(f"<li>{escape(each)}</li>" for each in found[:DIFFERENCES])
        more = f"<li>… {len(found) - DIFFERENCES} more</li>" if len(found) > DIFFERENCES else ""
        said = (
            f'<ul class="rpp-differences">{listed}{more}</ul>' if found else "<p>The same input, the same answer.</p>"
        )
        return {"html": said, "sides": [self._shown(one)["html"], self._shown(other)["html"]]}

    def _golden(self, given: Any) -> dict[str, Any]:
        self._session.history.set_golden(given["row"], golden=given["golden"])
        return {}

    def _search(self, given: Any) -> list[int]:
        return [line.row for line in self._session.history.lines(Query(text=given["text"], last=ROWS))]

    def _export(self, given: Any) -> dict[str, Any]:
        handler = self._chosen(given)
        words = ["-n", handler.name, *(["--force"] if given.get("force") else []), "--", given["folder"]]
        flags = commands.export_flags().parse_args(words)
        self._errand = Errand(lambda say: commands.export(self._session, flags, say), self._say)
        self._pump.do(self._errand)
        return {"waits": self._pump.in_cell}

    def _prove(self, given: Any) -> dict[str, Any]:
        flags = commands.prove_flags().parse_args(["--", given["folder"]])
        self._errand = Errand(lambda say: commands.prove(self._session, flags, say), self._say)
        threading.Thread(target=self._errand, name="rp_notebook proof", daemon=True).start()
        return {"waits": False}

    def _give_up(self, _: Any) -> dict[str, Any]:
        """Ends the export or the proof that was asked for last."""
        if self._errand is not None:
            self._errand.give_up()
        return {}

    def _serve(self, given: Any) -> dict[str, Any]:
        from rp_notebook.kernel.serve import serve, serve_flags

        serve(self._session, serve_flags().parse_args(["--stop"] if given.get("stop") else []))
        return self._endpoint()

    def _endpoint(self) -> dict[str, Any]:
        serving = self._session.serving
        if serving is None:
            return {}
        return {"url": on_pod(serving.port, "/v2") or serving.url, "key": serving.key}

    def _told(self, record: JobRecord) -> dict[str, Any] | None:
        if record.id not in self._asked:
            return None
        self._asked.discard(record.id)
        return {"id": record.id, **self._shown(record)}

    def _shown(self, record: JobRecord) -> dict[str, Any]:
        html = result.html(record, self._session.prices, Allowance(MEDIA, NODES), printed=True)
        known = record.sizes.request <= GIVEN and not record.masked
        return {"html": html, "outcome": record.outcome, **({"input": record.job.input} if known else {})}

    def _refused(self, job_id: str, why: str) -> None:
        if job_id in self._asked:
            self._asked.discard(job_id)
            self._say({"kind": "refused", "id": job_id, "why": why})

    def _record(self, row: int) -> JobRecord:
        found = next(self._session.history.records(Query(rows=(row,))), None)
        if found is None:
            raise BadInput("that job is no longer kept: newer ones took its room")
        return found

    def _chosen(self, given: Any) -> Handler:
        return self._session.handlers.chosen(given.get("handler"), {})


class _Outlet:
    """Hears of a job what the history does not tell."""

    def __init__(self, refused: Callable[[str, str], None]) -> None:
        self._refused = refused
        self._began = False

    def began(self, *_: object, **__: object) -> None:
        self._began = True

    def refused(self, job_id: str, why: str) -> None:
        if not self._began:
            self._refused(job_id, why)

    def withdrawn(self, job_id: str) -> None:
        self.refused(job_id, "the job was cancelled before it began")

    def posted(self, job_id: str, post: Post) -> None: ...
    def ended(self, job_id: str, why: str | None, *, cancelled: bool = False) -> None: ...
