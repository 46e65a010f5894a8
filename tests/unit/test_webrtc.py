"""Connections to machines: one for each task, however many ask, and none kept once closed."""

from __future__ import annotations

import asyncio
from typing import ClassVar

import pytest

from inductiva_widgets.live import webrtc


class Peer:
    """A connection that notes what it was asked."""

    made: ClassVar[list[Peer]] = []

    def __init__(self, _handshake, task_id, *, relays):
        self.task_id, self.relays, self.is_closed = task_id, relays, False
        self.made.append(self)

    async def channel(self, request):
        return self, request


@pytest.fixture
def way(monkeypatch):
    async def relays():
        await asyncio.sleep(0)
        return ["stun:example:1"]

    monkeypatch.setattr(webrtc, "_Peer", Peer)
    monkeypatch.setattr(webrtc, "relays", relays)
    monkeypatch.setattr(Peer, "made", [])
    return webrtc.WebRtc


def test_requests_at_the_same_time_share_one_connection(way):
    async def ask():
        machines = way(None, None, is_local=False)
        return await asyncio.gather(*(machines.channel("t1", {"n": n}) for n in range(5)))

    answers = asyncio.run(ask())

    assert len(Peer.made) == 1
    assert [request["n"] for _, request in answers] == [0, 1, 2, 3, 4]


def test_closed_connections_are_forgotten(way):
    async def ask():
        machines = way(None, None, is_local=True)
        for number in range(3):
            peer, _ = await machines.channel(f"t{number}", {})
            peer.is_closed = True
        await machines.channel("t2", {})
        return machines

    machines = asyncio.run(ask())

    assert list(machines._peers) == ["t2"]
    assert len(Peer.made) == 4
