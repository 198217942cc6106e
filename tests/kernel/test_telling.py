"""What is said to a Jupyter server: in its order, none of it late, and in few messages."""

import threading
import time

from rp_notebook import wire
from rp_notebook.jobs.posts import Post
from rp_notebook.kernel.telling import Telling


class Comm:
    """Keeps what goes through it, as the server reads it."""

    def __init__(self):
        self.messages = []

    def send(self, data, buffers):
        self.messages.append((time.monotonic(), data["number"], wire.received(data, buffers)))

    @property
    def said(self):
        return [said for _, _, together in self.messages for said in together]


BEGAN = wire.Began("j", 1, 1.0, None)
DONE = wire.Posted("j", Post("done", b'{"output": []}', is_stream=True))


def item(n):
    return wire.Posted("j", Post("stream", b'{"output": %d}' % n))


def test_a_short_job_is_one_message():
    telling, comm = Telling("link"), Comm()
    telling.say(comm, BEGAN)
    telling.say(comm, DONE)
    assert [together for _, _, together in comm.messages] == [[BEGAN, DONE]]
    telling.close()


def test_that_a_job_began_is_said_while_its_handler_keeps_the_thread():
    telling, comm = Telling("link"), Comm()
    telling.say(comm, BEGAN)
    time.sleep(0.3)
    assert comm.said == [BEGAN]
    telling.close()


def test_fast_items_go_together_and_none_waits_long():
    telling, comm = Telling("link"), Comm()
    telling.say(comm, BEGAN)
    told = []
    for n in range(2000):
        told.append(time.monotonic())
        telling.say(comm, item(n))
        time.sleep(0.0001)
    telling.say(comm, DONE)
    assert comm.said == [BEGAN, *map(item, range(2000)), DONE]
    assert [number for _, number, _ in comm.messages] == list(range(len(comm.messages)))
    assert len(comm.messages) < 500
    arrived = [at for at, _, together in comm.messages for said in together if said not in (BEGAN, DONE)]
    waits = sorted(late - early for early, late in zip(told, arrived, strict=True))
    assert waits[0] < 0.001
    assert waits[len(waits) // 2] < 0.05
    telling.close()


def test_handlers_have_their_own_messages_and_no_thread_is_left():
    before = threading.active_count()
    telling, one, other = Telling("link"), Comm(), Comm()
    telling.say(one, BEGAN)
    telling.say(other, BEGAN)
    telling.say(one, DONE)
    assert ([len(one.messages), one.said], other.said) == ([2, [BEGAN, DONE]], [BEGAN])
    telling.close()
    end = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < end:
        time.sleep(0.01)
    assert threading.active_count() == before


class Pipe(Comm):
    def send(self, _comm_id, data, buffers):
        super().send(data, buffers)
        return True

    def close(self):
        self.closed = True


def test_a_pipe_is_not_opened_behind_what_went_through_comms():
    comm, pipe = Comm(), Pipe()
    comm.comm_id = "c"
    telling = Telling("link")
    telling.use(lambda: pipe)
    telling.say(comm, DONE)
    telling.close()
    assert (pipe.said, comm.said) == ([DONE], [])
    telling = Telling("link")
    telling.say(comm, DONE)
    telling.use(Pipe)
    telling.say(comm, DONE)
    telling.close()
    assert comm.said == [DONE, DONE]
