"""Backend: one service with its settings, client and watcher; and the default backend."""

from __future__ import annotations

import dataclasses
import os
import threading
from typing import TYPE_CHECKING

from inductiva_widgets.api import config as configs
from inductiva_widgets.api.client import Client
from inductiva_widgets.errors import ConfigurationError, UserInputError
from inductiva_widgets.watch import STEPS_S, Watcher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from inductiva_widgets.api.sessions import Timeouts
    from inductiva_widgets.live import Live
    from inductiva_widgets.local import EngineInfo

__all__ = ["Backend", "connect", "default", "find", "find_all"]

LOCAL_VARIABLE = "INDUCTIVA_WIDGETS_LOCAL"  # 1: the local engine, whatever keys there are
LOCAL_LIMIT_S = 1.0  # a look at an engine on this machine costs a millisecond


class Backend:
    """One service with one account. A `Task` keeps the backend that it was made with.

    Args:
        config: Address, key and output folder.
        timeouts: Limits of requests.
        newer: What other keys there are once the key was refused, as of `Credentials`.

    Attributes:
        client: The endpoints.
        watcher: The poller, shared by all views of this backend.
    """

    def __init__(
        self,
        config: configs.Config,
        *,
        timeouts: Timeouts | None = None,
        newer: Callable[[configs.Config], Iterable[configs.Config]] = configs.newer_key,
    ) -> None:
        self.client = Client(config, timeouts=timeouts, newer=newer)
        limit_s = LOCAL_LIMIT_S if config.is_local else STEPS_S[-1]
        self.watcher = Watcher(self.client, limit_s=limit_s)
        self._live_lock = threading.Lock()
        self._live: Live | None = None

    @property
    def config(self) -> configs.Config:
        """Address, key and output folder; the key may be replaced after it was refused."""
        return self.client.credentials.config

    @property
    def live(self) -> Live:
        """Files, logs and machines of running tasks; starts nothing before its first use."""
        with self._live_lock:
            if self._live is None:
                from inductiva_widgets.live import Live

                self._live = Live(self.client, self.watcher, is_local=self.is_local)
            return self._live

    @property
    def name(self) -> str:
        """The name for people: `api.inductiva.ai`, `local engine`."""
        return self.config.name

    @property
    def id(self) -> str:
        """12 hex digits that identify the backend without showing its address."""
        return self.config.backend_id

    @property
    def is_local(self) -> bool:
        """Whether tasks run on this machine."""
        return self.config.is_local

    def close(self) -> None:
        """Ends the poller and closes all connections; tasks continue running."""
        with self._live_lock:
            live, self._live = self._live, None
        if live is not None:
            live.close()
        self.watcher.close()
        self.client.close()

    def __repr__(self) -> str:
        return f"<Backend {self.name}>"


_lock = threading.Lock()
_default: Backend | None = None


def connect(
    key: str | None = None,
    url: str | None = None,
    *,
    local: bool | None = None,
    output_dir: str | os.PathLike[str] | None = None,
    data_dir: str | Path | None = None,
) -> Backend:
    """Chooses the service that tasks talk to, and makes it the default.

    The key comes from the argument, `INDUCTIVA_API_KEY` or the key file of `inductiva auth
    login`. With no key anywhere, the local engine is found or started, and a line says so;
    `INDUCTIVA_WIDGETS_LOCAL=1` does the same whatever keys there are, unless a key or an address
    is given here.

    When the service refuses the key, everything made with it resumes by itself as soon as the
    source of the key holds another one, or a later `connect` to the same address gives one.

    Args:
        key: API key; better left to the environment than written into a notebook.
        url: Address of the service; without a key for it nothing is started.
        local: `True` for the local engine whatever keys there are, `False` for never.
        output_dir: Root folder of downloads.
        data_dir: Folder of the local engine; its default is per user.

    Raises:
        ConfigurationError: Address or key is invalid, or no key with `url` or `local=False`.
        LocalEngineError: The local engine does not start.
        UserInputError: A key or an address with `local=True`.
    """
    if local and (key is not None or url is not None):
        raise UserInputError("The local engine has its own key and address: give neither.")
    if local is None and key is None and url is None and _wants_local():
        local = True
    config = None if local else configs.load(key=key, url=url, output_dir=output_dir)
    if config is None:
        config = _local_config(local if url is None else False, output_dir, data_dir)
    backend = Backend(config, newer=_newer_key)
    global _default  # noqa: PLW0603 - "the newest backend is the default" is this one name
    with _lock:
        _default = backend
    return backend


def find() -> Backend | None:
    """The backend that settings and running engines name, without starting anything.

    For hosts that serve whatever is there: environment > key file > running local engine.

    Raises:
        ConfigurationError: The address or the key is invalid.
    """
    config = None if _wants_local() else configs.load()
    if config is None:
        config = next(_running_engines(), None)
    return Backend(config) if config else None


def find_all() -> list[configs.Config]:
    """Settings of all backends that `find` could mean, the one that it means first.

    Takes some two seconds for each engine that died without taking its note away.

    Raises:
        ConfigurationError: The address or the key is invalid.
    """
    config = configs.load()
    chosen = [config] if config else []
    engines = list(_running_engines())
    return engines + chosen if _wants_local() else chosen + engines


def _running_engines() -> Iterator[configs.Config]:
    """Those of the folder that the environment names and of the default folder, one by one."""
    from inductiva_widgets import local as engine

    for folder in dict.fromkeys((engine.data_dir(), engine.default_data_dir())):
        found = engine.find(folder)
        if found is not None:
            yield _engine_config(found, None)


def default() -> Backend:
    """The newest backend; connects when there is none yet."""
    with _lock:
        if _default is not None:
            return _default
    return connect()


def _newer_key(config: configs.Config) -> Iterator[configs.Config]:
    """What may replace a refused key: that of the newest `connect` to the same address first.

    A local engine is known by its key: with another one it is another engine.
    """
    newest = None if config.is_local else _default
    if newest is not None and newest.config.url == config.url:
        yield dataclasses.replace(
            config, key=newest.config.key, key_source=newest.config.key_source
        )
    yield from configs.newer_key(config)


def _wants_local() -> bool:
    return os.environ.get(LOCAL_VARIABLE, "0") not in ("", "0")


def _local_config(
    local: bool | None,  # noqa: FBT001 - passed through as given
    output_dir: str | os.PathLike[str] | None,
    data_dir: str | Path | None,
) -> configs.Config:
    if local is False:
        raise ConfigurationError(
            "No API key was found.",
            hint=f"Neither {configs.KEY_VARIABLE} nor the file {configs.key_file()} holds one: set"
            " the variable, or write the file with `inductiva-widgets auth login`.",
        )
    from inductiva_widgets import local as engine

    found = engine.start(data_dir)
    if not local:
        given = bool(os.environ.get(configs.URL_VARIABLE))
        unused = f", so the address in {configs.URL_VARIABLE} is not used" if given else ""
        print(  # noqa: T201 - promised by `connect`
            f"No API key found{unused}: tasks run on this machine (local engine, {found.url})."
        )
    return _engine_config(found, output_dir)


def _engine_config(found: EngineInfo, output_dir: str | os.PathLike[str] | None) -> configs.Config:
    return configs.Config(
        url=configs.normalise_url(found.url),
        key=configs.ApiKey(found.read_key()),
        key_source=f"the file {found.key_file}",
        output_dir=configs.output_root(output_dir),
        is_local=True,
    )
