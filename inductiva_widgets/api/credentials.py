"""Credentials: the settings whose key requests carry, and how a refused key is replaced."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from inductiva_widgets.api import config as configs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from inductiva_widgets.api.config import ApiKey, Config

__all__ = ["Credentials"]


class Credentials:
    """The key of one backend. Another one takes its place only after it was refused.

    Args:
        config: The settings to begin with.
        newer: Gives these settings with other keys that may be used, the best first. Called from
            any thread, and every few seconds while views wait for a key: it sends no request.

    Attributes:
        config: The settings with the present key.
    """

    def __init__(
        self,
        config: Config,
        newer: Callable[[Config], Iterable[Config]] = configs.newer_key,
    ) -> None:
        self.config = config
        self._newer = newer
        self._lock = threading.Lock()
        self._keys = [config.key]  # all that were used: none is taken a second time

    @property
    def changes(self) -> int:
        """How often another key was taken."""
        return len(self._keys) - 1

    def is_new(self, refused: int | None) -> bool:
        """Whether the key is not the refused one of this number; looks for another one then."""
        if self.changes == refused:
            self.renew(self.config.key)
        return self.changes != refused

    def renew(self, refused: ApiKey) -> bool:
        """Whether there is another key than this refused one; its source is read again."""
        with self._lock:
            if self.config.key != refused:
                return True  # another thread was faster
            for found in self._newer(self.config):
                if found.key not in self._keys:
                    self._keys.append(found.key)
                    self.config = found
                    return True
        return False

    def redact(self, text: str) -> str:
        """The text without any of the keys."""
        for key in tuple(self._keys):
            text = text.replace(key.reveal(), "<API key>")
        return text
