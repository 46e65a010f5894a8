"""Live files over WebRTC: the local engine as the machine, and machines that misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import threading

import pytest
from live_machine import TASK, Machine
from support import backend_at
from waiting import wait_until

from inductiva_widgets.errors import (
    BadPayloadError,
    LiveUnavailableError,
    NotFoundError,
    UserInputError,
)
from inductiva_widgets.live import webrtc
from inductiva_widgets.live.following import LiveState

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of aiortc's own dependencies
    pytest.mark.skipif(importlib.util.find_spec("aiortc") is None, reason="aiortc is missing"),
]


def has_address():
    """Whether WebRTC has an address to offer: it never offers loopback."""
    if importlib.util.find_spec("aioice") is None:
        return False
    from aioice.ice import get_host_addresses

    return bool(get_host_addresses(use_ipv4=True, use_ipv6=True))


needs_network = pytest.mark.skipif(not has_address(), reason="no network but loopback")
pytestmark.append(needs_network)

COUNT = """
import pathlib, sys, time
gate = pathlib.Path("gate")
for number in range(int(sys.argv[1])):
    print(f"{number:09d}" + "x" * 90)
sys.stdout.flush()
while not gate.exists():
    time.sleep(0.02)
print("the end", end="")
"""


@pytest.fixture
def machine():
    with contextlib.closing(Machine()) as made:
        yield made


@pytest.fixture
def backend(machine, tmp_path, monkeypatch):
    monkeypatch.setenv("INDUCTIVA_TURN_SERVER_URL", "nowhere.invalid:3478")
    with contextlib.closing(
        backend_at(machine.url, "key", tmp_path / "out", is_local=False)
    ) as made:
        yield made


@pytest.fixture
def by_webrtc(engine, tmp_path, monkeypatch):
    """The local engine, reached by the service's way."""
    monkeypatch.setenv("INDUCTIVA_WIDGETS_LIVE", "webrtc")
    with contextlib.closing(
        backend_at(engine.url, engine.key, tmp_path / "out", is_local=True)
    ) as made:
        yield made


@pytest.fixture
def started(engine):
    """Starts a task that prints lines and waits; a call of what it gives ends it."""

    def start(lines):
        task_id = engine.submit(f"python count.py {lines}", files={"count.py": COUNT})
        engine.reach(task_id, "computation-started")
        return task_id, (engine.work_folder(task_id) / "gate").touch

    return start


def follow(backend, task_id=TASK, name="stdout.txt", **options):
    """Follows by callbacks; what was told is kept."""
    seen = Seen()
    seen.following = backend.live.follow(
        task_id,
        name,
        on_lines=seen.lines.extend,
        on_end=seen.note_end,
        on_state=seen.states.append,
        **{"lines": 100, **options},
    )
    return seen


class Seen:
    def __init__(self):
        self.lines, self.states, self.end = [], [], None

    def note_end(self, end):
        self.end = end

    def wait_for(self, *lines):
        wait_until(lambda: self.lines[-len(lines) :] == list(lines) or self.end)
        assert self.end is None, self.end

    def wait_for_end(self):
        wait_until(lambda: self.end)
        return self.end


# -- the local engine as the machine ---------------------------------------------------------------


def test_every_question_is_answered_over_one_connection(by_webrtc, started):
    task_id, end = started(3)
    wait_until(lambda: len(list(by_webrtc.live.tail(task_id, "stdout.txt"))) >= 3)

    assert "stdout.txt" in str(by_webrtc.live.list_files(task_id))
    assert "PID" in by_webrtc.live.top(task_id)
    assert by_webrtc.live.last_modified_file(task_id).path.startswith(f"/workdir/{task_id}/")
    with pytest.raises(NotFoundError, match=r"no file 'nope\.txt'"):
        by_webrtc.live.tail(task_id, "nope.txt")
    with pytest.raises(NotFoundError):
        by_webrtc.live.tail(task_id, "../../../engine.db")
    assert len(by_webrtc.live._ways["webrtc"]._peers) == 1
    end()


def test_an_empty_file_is_empty(by_webrtc, started, engine):
    task_id, end = started(1)
    (engine.work_folder(task_id) / "empty.txt").touch()

    assert list(by_webrtc.live.tail(task_id, "empty.txt")) == []
    end()


def test_a_log_is_followed_to_its_end(by_webrtc, started, engine):
    task_id, end = started(20_000)

    with by_webrtc.live.tail(task_id, "stdout.txt", lines=10**7, follow=True) as lines:
        found = [next(lines) for _ in range(10_000)]
        end()
        found += lines

    assert "\n".join(found) + "\n" == engine.output(task_id)
    assert str(lines.end) == "The task has ended (success): no more lines come."


@pytest.mark.full
def test_twenty_megabytes_arrive_without_loss(by_webrtc, started, engine):
    task_id, end = started(200_000)
    end()

    found = list(by_webrtc.live.tail(task_id, "stdout.txt", lines=10**7, follow=True))

    assert "\n".join(found) + "\n" == engine.output(task_id)


def test_the_engine_refuses_what_it_does_not_know(by_webrtc, started):
    task_id, end = started(1)
    by_webrtc.live.list_files(task_id)
    way = by_webrtc.live._ways["webrtc"]

    async def ask(request):
        channel = await way.channel(task_id, request)
        try:
            return json.loads(await channel.next(10))
        finally:
            channel.close()

    def told(request):
        return by_webrtc.live._loop.start(ask(request)).result(20)

    assert told({"type": "rm", "follow": False, "args": {}})["status"] == "invalid"
    assert told({"type": "tail", "args": {"filename": 3}})["status"] == "invalid"
    assert told([])["status"] == "invalid"
    end()


# -- machines that misbehave -----------------------------------------------------------------------


def test_lost_connections_lose_and_repeat_no_lines(backend, machine):
    machine.lines = [f"line {number}" for number in range(50)]
    seen = follow(backend)
    seen.wait_for("line 49")

    machine.lose_connections()
    machine.lines += [f"line {number}" for number in range(50, 400)]  # while nobody listens
    seen.wait_for("line 399")
    machine.write("line 400")
    seen.wait_for("line 400")

    assert seen.lines == [f"line {number}" for number in range(401)]
    assert machine.connections == 2
    assert seen.states == [
        LiveState.CONNECTING,
        LiveState.LIVE,
        LiveState.LOST,
        LiveState.LIVE,
    ]


def test_a_lost_place_is_looked_for_further_back(backend, machine):
    machine.lines = [f"line {number}" for number in range(2000)]
    seen = follow(backend, lines=10)
    seen.wait_for("line 1999")

    machine.lose_connections()
    machine.lines += [f"line {number}" for number in range(2000, 6000)]
    seen.wait_for("line 5999")

    assert seen.lines == [f"line {number}" for number in range(1990, 6000)]
    asked = [request["args"]["lines"] for request in machine.requests]
    assert asked == [10, 1_000, 10_000]


def test_a_file_that_was_replaced_meanwhile_is_read_from_its_start(backend, machine):
    machine.lines = ["old 1", "old 2"]
    seen = follow(backend)
    seen.wait_for("old 2")

    machine.lose_connections()
    machine.lines = ["new 1", "new 2"]
    seen.wait_for("new 2")

    assert seen.lines == ["old 1", "old 2", "new 1", "new 2"]


def test_requests_share_a_connection_and_a_dead_one_is_replaced(backend, machine):
    files = backend.live.list_files(TASK)
    assert [file.name for file in files.files] == ["a.txt", "vtk/", "vtk/b.vtk"]
    assert str(files) == "a.txt\nvtk/\n└── vtk/b.vtk"
    assert backend.live.top(TASK) == "top - 1 user"
    assert machine.connections == 1

    machine.lose_connections()
    wait_until(lambda: backend.live._ways["webrtc"]._peers[TASK].is_closed)

    assert backend.live.top(TASK) == "top - 1 user"
    assert machine.connections == 2


def test_a_machine_that_never_answers_is_given_up(backend, machine):
    machine.is_mute = True

    with pytest.raises(LiveUnavailableError, match="does not answer") as caught:
        backend.live.top(TASK)

    assert caught.value.cause == "no-answer"
    assert follow(backend).wait_for_end().error.cause == "no-answer"


def test_packets_that_do_not_come_through_are_told(backend, machine, monkeypatch):
    monkeypatch.setattr(webrtc, "CONNECT_LIMIT_S", 0.5)
    machine.drops_packets = True

    with pytest.raises(LiveUnavailableError, match="UDP") as caught:
        backend.live.top(TASK)

    assert caught.value.cause == "blocked-udp"


def test_a_silent_channel_ends_in_an_error(backend, machine, monkeypatch):
    monkeypatch.setattr(webrtc, "REPLY_LIMIT_S", 0.3)
    machine.script = [[], []]

    with pytest.raises(LiveUnavailableError, match="does not answer"):
        backend.live.top(TASK)


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        ("no JSON", BadPayloadError),
        ("[" * 100_000, BadPayloadError),
        (b"\xff\xfe", BadPayloadError),
        ('{"status": "success", "message": [1]}', BadPayloadError),
        ('{"status": "success"}', BadPayloadError),
        ('{"status": "odd", "message": []}', BadPayloadError),
        ('{"status": "invalid", "message": "\\u001b[2J"}', BadPayloadError),
        ('{"status": "error", "message": "File not found: x"}', NotFoundError),
        ('{"status": "error", "message": "File is not a text file: x"}', UserInputError),
    ],
)
def test_answers_that_make_no_sense_are_refused(backend, machine, raw, error):
    machine.script = [[raw]]

    with pytest.raises(error) as caught:
        backend.live.tail(TASK, "x.txt")

    assert "\x1b" not in str(caught.value)


def test_an_answer_without_sense_to_an_offer_is_refused(backend, machine):
    machine.answer = {"type": "answer", "sdp": "v=0\r\nnothing"}

    with pytest.raises(BadPayloadError):
        backend.live.top(TASK)


def test_an_offer_holds_every_candidate_and_asks_no_silent_server(backend, machine):
    backend.live.top(TASK)

    (offer,) = machine.offers
    assert offer["receiver_id"] == TASK
    assert "a=end-of-candidates" in offer["sdp"]
    assert "typ srflx" not in offer["sdp"]


def test_without_aiortc_the_reason_is_told(backend, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "aiortc", None)

    with pytest.raises(LiveUnavailableError, match=r"inductiva_widgets\[live\]") as caught:
        backend.live.top(TASK)

    assert caught.value.cause == "no-aiortc"


def test_closing_ends_followers_and_leaves_no_thread(backend, machine):
    machine.lines = ["a"]
    seen = follow(backend)
    seen.wait_for("a")

    backend.live.close()

    assert seen.wait_for_end().reason == "closed"
    assert not [one for one in threading.enumerate() if one.name.startswith("inductiva-live")]


def test_lines_can_be_awaited(backend, machine):
    machine.lines = ["a", "b"]

    async def read():
        found = []
        with backend.live.tail(TASK, "stdout.txt", follow=True) as lines:
            async for line in lines:
                found.append(line)
                if line == "b":
                    machine.lines.append("c")
                    await asyncio.to_thread(machine.write, "d")
                if line == "d":
                    return [*found, await backend.live.top_async(TASK)]
        return found

    assert asyncio.run(read()) == ["a", "b", "d", "top - 1 user"]
