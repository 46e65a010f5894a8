"""Servers that help two machines to connect directly (STUN, TURN), if they answer."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import socket
import struct

from inductiva_widgets.workers import Workers

__all__ = ["TURN_VARIABLE", "relays"]

TURN_VARIABLE = "INDUCTIVA_TURN_SERVER_URL"
USUAL_SERVER = "webrtc.inductiva.ai:3478"
LIMIT_S = 1.0  # for the name, and for an answer; aioice itself would wait for 5 s
TRIES = 3
BINDING, SUCCESS, COOKIE = 0x0001, 0x0101, 0x2112A442  # RFC 8489 §§ 5 and 6
HEADER = struct.Struct("!HHI12s")

# Not the loop's own threads, which would stay.
_look_ups = Workers(2, "inductiva-look-up")


async def relays() -> list[str]:
    """`stun:` and `turn:` addresses of the server that the environment names; none if it is silent.

    Connections then go between the machines directly, which works in the same network.
    """
    text = os.environ.get(TURN_VARIABLE, USUAL_SERVER).strip()
    found = re.fullmatch(r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\]):(\d{1,5})", text)
    if found is None:
        return []
    try:
        answers = await asyncio.wait_for(
            _answers(found[1].strip("[]"), int(found[2])), 2 * LIMIT_S + 0.5
        )
    except (OSError, OverflowError, UnicodeError, asyncio.TimeoutError):
        return []
    return [f"stun:{text}", f"turn:{text}"] if answers else []


async def _answers(host: str, port: int) -> bool:
    """Whether a STUN server answers."""
    loop = asyncio.get_running_loop()
    addresses = await asyncio.wait_for(
        loop.run_in_executor(_look_ups, socket.getaddrinfo, host, port), LIMIT_S
    )
    token = secrets.token_bytes(12)
    answered: asyncio.Future[bool] = loop.create_future()

    class Client(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, _address: object) -> None:
            if len(data) < HEADER.size or answered.done():
                return
            kind, _, cookie, about = HEADER.unpack_from(data)
            if (kind, cookie, about) == (SUCCESS, COOKIE, token):
                answered.set_result(True)

        def error_received(self, _error: Exception) -> None:
            if not answered.done():
                answered.set_result(False)

    family, *_, address = addresses[0]
    transport, _ = await loop.create_datagram_endpoint(
        Client, family=family, remote_addr=(str(address[0]), int(address[1]))
    )
    try:
        for _ in range(TRIES):
            transport.sendto(HEADER.pack(BINDING, 0, COOKIE, token))
            done, _ = await asyncio.wait({answered}, timeout=LIMIT_S / TRIES)
            if done:
                return answered.result()
        return False
    finally:
        transport.close()
