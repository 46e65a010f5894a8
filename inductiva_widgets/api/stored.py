"""The signed link of one stored file, shared by everything that reads the file."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from inductiva_widgets.api.client import Client

__all__ = ["StoredLink"]


class StoredLink:
    """A download link, created at first use and renewed when it expired. Kept in memory only.

    Args:
        client: Of the service that stores the file.
        place: Path and region of the file; asked when a link is made.
    """

    def __init__(self, client: Client, place: Callable[[], tuple[str, str | None]]) -> None:
        self._client = client
        self._place = place
        self._lock = threading.Lock()
        self._url: str | None = None

    def url(self) -> str:
        """The present link."""
        with self._lock:
            if self._url is None:
                self._url = self._sign()
            return self._url

    def renew(self, old: str) -> str:
        """A link other than `old`; many workers asking at once get the same new one."""
        with self._lock:
            if self._url is None or self._url == old:
                self._url = self._sign()
            return self._url

    def _sign(self) -> str:
        path, region = self._place()
        return self._client.signed_url(path, operation="download", region=region)
