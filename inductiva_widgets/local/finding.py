"""Finding the engine of a folder, with proof of whom one talks to.

A running engine leaves `server.json` in its folder. That file alone proves nothing: the engine may
be dead and its port taken by another program. So `find` sends a random number, and only a program
that knows the engine's key can answer it; the key itself is not sent to anybody for that.
"""

from __future__ import annotations

import hmac
import http.client
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from inductiva_widgets.local.folder import read_note
from inductiva_widgets.local.handshake import PROOF_HEADER, proof
from inductiva_widgets.local.settings import data_dir as engine_folder

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["EngineInfo", "find"]

HANDSHAKE_TIMEOUT_S = 1.0
HANDSHAKE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """A living engine.

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
    """The living engine of a data folder, or `None`; takes at most some two seconds."""
    root = engine_folder(data_dir)
    noted = read_note(root)
    if noted is None:
        return None
    info = EngineInfo(str(noted["url"]), root / "api_key", int(noted["pid"]), root)
    return info if _proves_itself(info) else None


def _proves_itself(info: EngineInfo) -> bool:
    nonce = secrets.token_hex(16)
    address = urlsplit(info.url)
    connection = http.client.HTTPConnection(
        str(address.hostname), address.port, timeout=HANDSHAKE_TIMEOUT_S
    )
    try:
        connection.request("GET", f"/version?nonce={nonce}")
        reply = connection.getresponse()
        reply.read(HANDSHAKE_BYTES)
        given = reply.getheader(PROOF_HEADER, "")
        return hmac.compare_digest(given.encode(), proof(info.read_key(), nonce).encode())
    except (OSError, http.client.HTTPException, UnicodeError):
        return False
    finally:
        connection.close()
