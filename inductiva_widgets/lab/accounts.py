"""Accounts: marks that distinguish keys, and what a page may do about the key."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
from typing import TYPE_CHECKING

from inductiva_widgets.api import config as configs
from inductiva_widgets.errors import ConfigurationError, UserInputError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["AccountMarks", "KeyExistsError", "key_source", "set_key"]

SALT_BYTES = 32
KEY_LIMIT = 1000


class KeyExistsError(Exception):
    """There is a key already, and nobody said to replace it."""


class AccountMarks:
    """Marks of keys: the same for the same key, also after a restart, and no way back.

    The salt is this user's, so that a mark says nothing to others even about a guessed key.

    Args:
        folder: Where the salt is kept. If it cannot be, marks live as long as this process.
    """

    def __init__(self, folder: Path) -> None:
        self._salt = _salt(folder / "salt")

    def of(self, config: configs.Config) -> str:
        """16 hex digits for the service and key of these settings."""
        text = f"{config.backend_id} {config.key.reveal()}".encode()
        return hmac.new(self._salt, text, hashlib.sha256).hexdigest()[:16]


def _salt(path: Path) -> bytes:
    made = secrets.token_bytes(SALT_BYTES)
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(made)
        kept = path.read_bytes()
        if len(kept) == SALT_BYTES:
            return kept
        path.write_bytes(made)  # the process that made the file died before it wrote
    return made


def key_source() -> str | None:
    """Where the key of the settings comes from: `environment`, `file`, or `None` without one."""
    if os.environ.get(configs.KEY_VARIABLE, "").strip():
        return "environment"
    try:
        return None if configs.find_key() is None else "file"
    except ConfigurationError:
        return "file"  # one that cannot be read is there all the same


def set_key(text: object, *, replace: bool) -> None:
    """Writes a key that a page sends into the key file.

    Raises:
        KeyExistsError: There is another one, and `replace` is false.
        UserInputError: It is not text.
        ConfigurationError: The environment rules, the text is no key, or the file cannot be
            written.
    """
    if key_source() == "environment":
        raise ConfigurationError(
            f"The key of this server comes from the variable {configs.KEY_VARIABLE}.",
            hint="Change it where the server is started, or take it away there.",
        )
    if not isinstance(text, str) or len(text) > KEY_LIMIT:
        raise UserInputError("The API key must be a text.", hint="Copy it again.")
    key = configs.ApiKey(text, "this page")
    if key_source() is not None and not replace and not _is_kept(key):
        raise KeyExistsError
    configs.write_key(key)


def _is_kept(key: configs.ApiKey) -> bool:
    with contextlib.suppress(ConfigurationError):
        found = configs.find_key()
        return found is not None and hmac.compare_digest(found[0].reveal(), key.reveal())
    return False
