"""A kernel that the Jupyter server is linked to, and what it says of its jobs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rp_notebook import wire
from rp_notebook.endpoint.seat import Seat
from rp_notebook.server.link import Link

UNLOADED = "the extension was unloaded from the kernel"
ABSENT = (
    "the kernel did not answer when the job came, and has no such handler: type %load_ext rp_notebook, run its cell"
)


@dataclass(eq=False)
class Known:
    """A kernel: its link, the process it had when we linked, and the seats of its handlers.

    `had` are the handlers that it was heard to have; others are asked for before it has said anything. `present` is
    false until it is known to have all that have seats. It is `silent` where it may have handlers, but is too slow to
    say so.
    """

    link: Link
    process: Any
    seats: dict[str, Seat] = field(default_factory=dict)
    timeouts: dict[str, float | None] = field(default_factory=dict)
    had: set[str] = field(default_factory=set)
    present: bool = True
    silent: bool = False

    @property
    def has_sent(self) -> bool:
        """Whether it was sent jobs that it has not begun."""
        return any(seat.has_sent for seat in self.seats.values())

    def attend(self, names: frozenset[str]) -> None:
        """These handlers can be sent jobs; what was sent to others waits again, for they never got it.

        A kernel that runs nothing and has not begun what it was sent is woken.
        """
        for handler, seat in self.seats.items():
            if handler in names:
                self.had.add(handler)
                seat.back()
            elif handler in self.had:
                seat.gone(UNLOADED)
            else:
                seat.close(ABSENT)
        self.present = all(handler in names for handler in self.seats)
        if self.has_sent and not any(seat.is_running for seat in self.seats.values()):
            self.link.wake()


def tell(seat: Seat, said: wire.Said) -> None:
    """Hands what a kernel said to the seat of its handler."""
    match said:
        case wire.Began(job_id=job_id, capacity=capacity, at=at):
            seat.began(job_id, capacity, at)
        case wire.Posted(job_id=job_id, post=post):
            seat.posted(job_id, post)
        case wire.Ended(job_id=job_id, why=why, cancelled=cancelled):
            seat.ended(job_id, why, cancelled=cancelled)
        case wire.Refused(job_id=job_id, why=why):
            seat.refused(job_id, why)
        case wire.Withdrawn(job_id=job_id):
            seat.withdrawn(job_id)
