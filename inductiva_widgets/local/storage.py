"""The bucket of the engine: storage paths, objects with their checksums, signed URLs.

Storage paths come from requests, so each is checked segment by segment before it becomes a path
of this machine. A signed URL is a bearer right to one operation on one path until it expires; its
token holds only characters that no HTTP library rewrites.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import shutil
import time
from typing import TYPE_CHECKING, Any, Literal

from inductiva_widgets.errors import NotFoundError, UserInputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from inductiva_widgets.local.database import Database

__all__ = ["LinkRefusedError", "Operation", "Storage"]

Operation = Literal["download", "upload"]
MAX_PATH_CHARACTERS = 1024
MAX_SEGMENT_BYTES = 255
HASH_BLOCK_BYTES = 1 << 20


class LinkRefusedError(Exception):
    """A signed URL that is forged, expired, or for another operation."""


class Storage:
    """Files below one folder, addressed by the service's storage paths.

    Args:
        root: The folder.
        database: Where checksums are kept.
        link_key: Secret that signs URLs.
        link_ttl_s: Life of a signed URL.
        clock: Seconds since the epoch; a parameter for tests.
    """

    def __init__(
        self,
        root: Path,
        database: Database,
        *,
        link_key: bytes,
        link_ttl_s: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self._root = root
        self._database = database
        self._link_key = link_key
        self._link_ttl_s = link_ttl_s
        self._clock = clock

    # -- paths ---------------------------------------------------------------------------------

    def normalise(self, path: str) -> str:
        """The path without leading and closing slash; empty for the root.

        Raises:
            UserInputError: A path that no storage has.
        """
        clean = path.removeprefix("/").removesuffix("/")
        segments = clean.split("/") if clean else []
        odd = any(mark in clean for mark in ("\\", "\0", ":")) or len(clean) > MAX_PATH_CHARACTERS
        for segment in segments:
            hidden = segment in ("", ".", "..") or segment.endswith(".part")
            odd = odd or hidden or len(segment.encode("utf-8", "replace")) > MAX_SEGMENT_BYTES
        if odd:
            raise UserInputError(f"{path[:200]!r} is not a storage path.")
        return clean

    def local_path(self, path: str) -> Path:
        """Where the object of a storage path is on this machine."""
        return self._root / self.normalise(path)

    def existing_file(self, path: str) -> Path:
        """The same, if there is a file.

        Raises:
            NotFoundError: There is none.
        """
        found = self.local_path(path)
        if not found.is_file():
            raise NotFoundError(f"There is no file {path!r} in the storage.")
        return found

    def files_below(self, path: str) -> list[str]:
        """Storage paths of the files in a folder and its sub-folders."""
        folder = self.local_path(path)
        return sorted(
            found.relative_to(self._root).as_posix()
            for found in folder.rglob("*")
            if found.is_file() and not found.name.endswith(".part")
        )

    def remove_parts(self) -> None:
        """Removes what an engine that was killed has left of unfinished files."""
        for part in self._root.rglob(".*.part"):
            part.unlink(missing_ok=True)

    # -- signed URLs ---------------------------------------------------------------------------

    def sign(self, operation: Operation, path: str) -> str:
        """Token of a signed URL for one operation on one path."""
        expires = int(self._clock() + self._link_ttl_s)
        packed = _encode(self.normalise(path).encode())
        claim = f"{operation}~{expires}~{packed}"
        return f"{claim}.{self._signature(claim)}"

    def verify(self, token: str, operation: Operation) -> str:
        """Storage path that a token gives access to.

        Raises:
            LinkRefusedError: The token is forged, expired, or for another operation.
        """
        claim, _, signature = token.rpartition(".")
        if not hmac.compare_digest(self._signature(claim).encode(), signature.encode()):
            raise LinkRefusedError("The signature of this link is wrong.")
        granted, expires, packed = claim.split("~")
        if self._clock() > int(expires):
            raise LinkRefusedError("This link has expired; ask for a new one.")
        if granted != operation:
            raise LinkRefusedError(f"This link does not allow to {operation}.")
        return _decode(packed).decode()

    def _signature(self, claim: str) -> str:
        return _encode(hmac.digest(self._link_key, claim.encode(), "sha256"))

    # -- objects -------------------------------------------------------------------------------

    def sha256(self, path: str) -> str:
        """Checksum of a stored file: the noted one while the file is unchanged, else computed."""
        path = self.normalise(path)
        file = self.existing_file(path)
        status = file.stat()
        row = self._database.row("SELECT * FROM objects WHERE path = ?", (path,))
        if row and (row["size"], row["mtime_ns"]) == (status.st_size, status.st_mtime_ns):
            return str(row["sha256"])
        digest = hashlib.sha256()
        with file.open("rb") as source:
            while block := source.read(HASH_BLOCK_BYTES):
                digest.update(block)
        self.note(path, digest.hexdigest())
        return digest.hexdigest()

    def note(self, path: str, sha256: str) -> None:
        """Keeps the checksum of a file that was just written."""
        status = self.existing_file(path).stat()
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?)",
                (self.normalise(path), status.st_size, status.st_mtime_ns, sha256),
            )

    def delete(self, path: str) -> None:
        """Removes a file, or a folder with all that is in it.

        Raises:
            NotFoundError: Nothing is there.
            UserInputError: The whole storage was named.
        """
        clean = self.normalise(path)
        if not clean:
            raise UserInputError("The whole storage cannot be removed at once.")
        target = self._root / clean
        if target.is_dir():
            shutil.rmtree(target)
        elif target.is_file() and not path.endswith("/"):
            target.unlink()
        else:
            raise NotFoundError(f"There is nothing at {path!r} in the storage.")
        with self._database.transaction() as connection:
            connection.execute(
                "DELETE FROM objects WHERE path = ? OR substr(path, 1, ?) = ?",
                (clean, len(clean) + 1, clean + "/"),
            )

    def copy(self, source: str, target: str) -> None:
        """Copies a file or a folder inside the storage.

        Raises:
            NotFoundError: There is no such source.
            UserInputError: The target lies inside the source, or is the whole storage.
        """
        origin, goal = self.local_path(source), self.local_path(target)
        if goal in (origin, self._root) or origin in goal.parents:
            raise UserInputError("A folder cannot be copied into itself.")
        if not origin.exists():
            raise NotFoundError(f"There is nothing at {source!r} in the storage.")
        if origin.is_file():
            self._copy_file(origin, goal)
            return
        for path in self.files_below(source):
            found = self._root / path
            self._copy_file(found, goal / found.relative_to(origin))

    def _copy_file(self, origin: Path, goal: Path) -> None:
        """Copies a file; it appears under its name only when it is complete."""
        goal.parent.mkdir(parents=True, exist_ok=True)
        part = goal.with_name(f".{secrets.token_hex(8)}.part")
        try:
            shutil.copyfile(origin, part)
            part.replace(goal)
        finally:
            part.unlink(missing_ok=True)

    def contents(self, path: str, *, recursive: bool) -> list[dict[str, Any]]:
        """Files and folders at a path, unsorted (`GET /storage/contents`)."""
        folder = self.local_path(path)
        if not folder.is_dir():
            raise NotFoundError(f"There is no folder {path!r} in the storage.")
        entries: list[dict[str, Any]] = []
        for found in folder.rglob("*") if recursive else folder.iterdir():
            is_folder = found.is_dir()
            if found.name.endswith(".part") or (recursive and is_folder):
                continue
            status = found.stat()
            name = found.relative_to(folder).as_posix()
            entries.append(
                {
                    "name": f"{name}/" if is_folder else name,
                    "size_bytes": _size_below(found) if is_folder else status.st_size,
                    "created_s": status.st_mtime,
                    "is_directory": is_folder,
                }
            )
        return entries

    def size_bytes(self) -> int:
        """Sum of all stored files."""
        return _size_below(self._root)


def _size_below(folder: Path) -> int:
    return sum(found.stat().st_size for found in folder.rglob("*") if found.is_file())


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decode(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as error:  # cannot happen to a token that we signed
        raise LinkRefusedError("This link cannot be read.") from error
