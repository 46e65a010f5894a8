"""The backends that this server knows, and how a page names one of them."""

from __future__ import annotations

import contextlib
import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inductiva_widgets import __version__
from inductiva_widgets import backend as backends
from inductiva_widgets.api.config import newer_key
from inductiva_widgets.errors import (
    AccountChangedError,
    ConfigurationError,
    UnknownBackendError,
    UserInputError,
)
from inductiva_widgets.formats import safe_text
from inductiva_widgets.lab.accounts import AccountMarks, key_source
from inductiva_widgets.lab.notices import Notices
from inductiva_widgets.service.dispatch import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from inductiva_widgets.api.config import Config
    from inductiva_widgets.service.events import Listener

__all__ = ["Change", "Desk", "KnownBackends", "Place"]

NAME_LIMIT = 60
_TOPIC = re.compile(r"([0-9a-f]{1,64}):([0-9a-f]{0,64}):(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Place:
    """The backend and account that a page means; `None` is the default, or not said."""

    backend: str | None = None
    account: str | None = None
    name: str = ""

    @classmethod
    def of(cls, header: dict[str, Any]) -> Place:
        """The place that the header of a call names.

        Raises:
            UserInputError: A field is not text.
        """
        fields = [header.get(name) for name in ("backend", "account", "backend_name")]
        if not all(field is None or isinstance(field, str) for field in fields):
            raise UserInputError("backend, account and backend_name must be texts.")
        return cls(fields[0], fields[1] or None, safe_text(fields[2] or "", NAME_LIMIT))


class Desk:
    """One backend with one account, as pages know it. Safe to use from any thread.

    Attributes:
        config: Its settings.
        account: The mark of its key.
        service: What views may ask.
        notices: What happened to its tasks.
    """

    def __init__(self, config: Config, account: str, service: Service, notices: Notices) -> None:
        self.config = config
        self.account = account
        self.service = service
        self.notices = notices

    def call(self, method: object, params: dict[str, Any], buffers: Sequence[bytes]) -> Any:  # noqa: ANN401 - as of `Service.call`
        """Runs a method; its result and binary buffers.

        Raises:
            InductivaWidgetsError: As of `Service.call`.
        """
        own = {"notices.seen": self.notices.seen, "tasks.watch": self.notices.watch}
        if isinstance(method, str) and method in own:
            return own[method](params), []
        return self.service.call(method, params, buffers)

    def subscribe(self, topic: str, send: Callable[[dict[str, Any]], None]) -> Listener:
        """Listens to a topic.

        Raises:
            UserInputError: No such topic.
        """
        if topic == self.notices.topic:
            return self.notices.subscribe(send)
        listener = self.service.subscribe(topic, send)
        if topic.startswith("task/"):
            self.notices.opened(listener.topic.removeprefix("task/"))
        return listener

    def describe(self) -> dict[str, Any]:
        """What pages learn of it."""
        return {
            "id": self.config.backend_id,
            "name": self.config.name,
            "is_local": self.config.is_local,
            "account": self.account,
        }

    def close(self) -> None:
        """Ends all subscriptions and downloads; tasks continue running."""
        self.notices.close()
        self.service.close()
        self.service.backend.close()


@dataclass(frozen=True, slots=True)
class Change:
    """What a look found. `is_loss`: listeners have lost what they listened to."""

    is_any: bool = False
    is_loss: bool = False


class KnownBackends:
    """The backends of this server. One lock guards the table, another one the looking.

    A local engine that was found once stays known: it may be busy, or come back at another port.

    Args:
        target_root: Folder of downloads, in the folder that the server shows.
        data_dir: Folder of what this extension keeps for this user.
        readonly: Whether nothing can be killed, submitted or set up.
        find_all: Finds the settings of all backends, the default first.
    """

    def __init__(
        self,
        target_root: Path,
        data_dir: Path,
        *,
        readonly: bool = False,
        find_all: Callable[[], list[Config]] = backends.find_all,
    ) -> None:
        self.readonly = readonly
        self._target_root = target_root
        self._data_dir = data_dir
        self._find_all = find_all
        self._marks = AccountMarks(data_dir)
        self._looking = threading.Lock()
        self._looks = 0
        self._lock = threading.Lock()
        self._desks: dict[str, Desk] = {}
        self._default: str | None = None
        self._least_pause_s = 0.0
        self.on_change: Callable[[Change], None] = lambda _: None

    def desk(self, place: Place) -> Desk:
        """What serves a place; looks around when it is not known yet. On workers only.

        Raises:
            ConfigurationError: No key, and no engine that runs; or invalid settings.
            UnknownBackendError: The server does not know this backend.
            AccountChangedError: The backend has another key now.
        """
        found = self._get(place)
        if found is None:
            self.look()
            found = self._get(place)
        if found is None:
            raise self._nowhere(place)
        if place.account is not None and place.account != found.account:
            raise AccountChangedError(
                f"The account of {found.config.name} has changed; nothing was sent.",
                hint="Reload the view to see the tasks of the new account.",
            )
        return found

    def subscribe(self, topic: str, send: Callable[[dict[str, Any]], None]) -> Listener:
        """Listens to a topic, plain or with a backend and account before it.

        Raises:
            UserInputError: No such topic.
            ConfigurationError: As of `desk`.
        """
        named = _TOPIC.fullmatch(topic)
        if named is None:
            return self.desk(Place()).subscribe(topic, send)
        desk = self.desk(Place(named[1], named[2] or None))
        return desk.subscribe(named[3], lambda message: send({**message, "topic": topic}))

    def look(self) -> None:
        """Looks up the backends again. Takes up to some seconds: on workers only.

        Raises:
            ConfigurationError: Invalid settings; what was known stays.
        """
        looks = self._looks
        with self._looking:
            if looks != self._looks:
                return  # somebody looked while this thread waited
            try:
                configs = self._find_all()
            finally:
                self._looks += 1
            change, gone = self._take(configs)
            for desk in gone:
                desk.close()
        if change.is_any:
            self.on_change(change)

    def describe(self) -> dict[str, Any]:
        """What pages learn: `GET api/backends`."""
        with self._lock:
            desks, default = list(self._desks.values()), self._default
        return {
            "default": default,
            "readonly": self.readonly,
            "key_source": key_source(),
            "backends": [desk.describe() for desk in desks],
            "version": __version__,
        }

    def set_least_pause(self, pause_s: float) -> None:
        """The least pause between two looks at the tasks of a backend, in s."""
        with self._lock:
            if pause_s == self._least_pause_s:
                return
            self._least_pause_s = pause_s
            desks = list(self._desks.values())
        for desk in desks:
            desk.service.set_least_pause(pause_s)

    def keep(self) -> None:
        """Writes down what notices need at the next start."""
        with self._lock:
            desks = list(self._desks.values())
        for desk in desks:
            desk.notices.keep()

    def close(self) -> None:
        """Closes all backends."""
        with self._lock:
            desks = list(self._desks.values())
            self._desks = {}
            self._default = None
        for desk in desks:
            desk.close()

    def _look_for_key(self, config: Config) -> Iterator[Config]:
        """Gives none: another key may be of another account, which needs a desk of its own.

        It may be called on a thread of the very desk that goes then.
        """
        if any(found.key != config.key for found in newer_key(config)):
            threading.Thread(target=self._look_quietly, name="inductiva-look", daemon=True).start()
        yield from ()

    def _look_quietly(self) -> None:
        with contextlib.suppress(ConfigurationError):
            self.look()

    def _get(self, place: Place) -> Desk | None:
        with self._lock:
            name = place.backend if place.backend is not None else self._default
            return self._desks.get(name) if name is not None else None

    def _nowhere(self, place: Place) -> ConfigurationError:
        if place.backend is None:
            return ConfigurationError(
                "There is no API key, and no local engine runs.",
                hint="Run inductiva_widgets.connect() in a notebook, or set a key.",
            )
        with self._lock:
            served = ", ".join(desk.config.name for desk in self._desks.values())
        owner = place.name or "another service"
        return UnknownBackendError(
            f"This belongs to {owner}, which this Jupyter server does not serve; nothing was sent.",
            hint=f"It serves {served}." if served else "It has no API key, and no engine runs.",
        )

    def _take(self, configs: list[Config]) -> tuple[Change, list[Desk]]:
        """Puts what was found in place of what was known; also returns what is no longer used."""
        with self._lock:
            old = self._desks
            new: dict[str, Desk] = {}
            for config in configs:
                if config.backend_id not in new:
                    known = old.get(config.backend_id)
                    new[config.backend_id] = self._desk_of(config, known)
            for name, desk in old.items():
                if desk.config.is_local:
                    new.setdefault(name, desk)
            default = next(iter(new), None)
            gone = [desk for name, desk in old.items() if new.get(name) is not desk]
            moved = self._default not in (None, default)
            is_any = moved or default != self._default or list(new.items()) != list(old.items())
            self._desks, self._default = new, default
        return Change(is_any, is_loss=moved or bool(gone)), gone

    def _desk_of(self, config: Config, known: Desk | None) -> Desk:
        account = self._marks.of(config)
        if known is not None and (known.config.url, known.account) == (config.url, account):
            return known
        backend = backends.Backend(config, newer=self._look_for_key)
        service = Service(backend, self._target_root, readonly=self.readonly)
        service.set_least_pause(self._least_pause_s)
        path = self._data_dir / f"notices-{config.backend_id}-{account}.json"
        return Desk(config, account, service, Notices(service, path))
