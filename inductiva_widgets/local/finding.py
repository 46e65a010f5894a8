"""Finding the engine of a data folder, with proof of its identity.

A running engine leaves `server.json` in its folder. That file alone proves nothing: the engine may
be dead and its port taken by another program. So `find` sends a random number, and only a program
that knows the engine's key can answer it; the key itself is not sent to anybody for that.
"""

from __future__ import annotations

import hmac
import http.client
import io
import secrets
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from inductiva_widgets.local.folder import read_note
from inductiva_widgets.local.handshake import PROOF_HEADER, proof
from inductiva_widgets.local.settings import data_dir as engine_folder

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["EngineInfo", "find"]

HANDSHAKE_LIMIT_S = 2.0  # for all of it: a stranger on the port may answer byte by byte
HANDSHAKE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """A running engine.

    Attributes:
        url: Base URL, without a slash at the end.
        key_file: File with its API key.
        pid: Its process.
        data_dir: Its folder.
    """

    url: str
    key_file: Path
    pid: int
    data_dir: Path

    def read_key(self) -> str:
        """The API key; it is read when needed, and not kept."""
        return self.key_file.read_text(encoding="utf-8").strip()


def find(data_dir: Path | str | None = None) -> EngineInfo | None:
    """The running engine of a data folder, or `None`; takes at most two seconds.

    Args:
        data_dir: The folder; else that of the environment, else the platform's own place.
    """
    root = engine_folder(data_dir)
    noted = read_note(root)
    if noted is None:
        return None
    info = EngineInfo(str(noted["url"]), root / "api_key", int(noted["pid"]), root)
    return info if _proves_itself(info) else None


def _proves_itself(info: EngineInfo) -> bool:
    nonce = secrets.token_hex(16)
    try:
        _, _, fields = _reply_head(info.url, nonce).partition(b"\r\n")  # what is left is its fields
        given = http.client.parse_headers(io.BytesIO(fields)).get(PROOF_HEADER, "")
        return hmac.compare_digest(given.encode(), proof(info.read_key(), nonce).encode())
    except (OSError, http.client.HTTPException, UnicodeError):
        return False


def _reply_head(url: str, nonce: str) -> bytes:
    """Status line and header fields of the answer to a nonce, as much as comes in time.

    By a bare socket, because the limits of HTTP libraries are for each read, not for all.
    """
    place = urlsplit(url)
    asked = f"GET /version?nonce={nonce} HTTP/1.1\r\nHost: {place.netloc}\r\n\r\n"
    end_s = time.monotonic() + HANDSHAKE_LIMIT_S
    head = b""
    address = (place.hostname, place.port or 0)
    with socket.create_connection(address, HANDSHAKE_LIMIT_S) as connection:
        connection.sendall(asked.encode())
        while b"\r\n\r\n" not in head and len(head) < HANDSHAKE_BYTES:
            connection.settimeout(max(end_s - time.monotonic(), 0.001))
            block = connection.recv(HANDSHAKE_BYTES)
            if not block or time.monotonic() >= end_s:
                break
            head += block
    return head
