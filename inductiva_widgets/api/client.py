"""Client: one method per endpoint of the service; replies are decoded into records."""

from __future__ import annotations

import contextlib
import importlib.metadata
import math
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from inductiva_widgets.api import models, rows
from inductiva_widgets.api.clock import ServerClock
from inductiva_widgets.api.config import newer_key
from inductiva_widgets.api.credentials import Credentials
from inductiva_widgets.api.http import ApiTransport
from inductiva_widgets.api.links import LinkTransport
from inductiva_widgets.api.run_times import RunTimes
from inductiva_widgets.errors import (
    BadPayloadError,
    InductivaWidgetsError,
    NotFoundError,
    RateLimitedError,
    ServerError,
    ServiceConnectionError,
    SubmissionUnknownError,
    UserInputError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from inductiva_widgets.api.config import Config
    from inductiva_widgets.api.http import Query
    from inductiva_widgets.api.sessions import Timeouts

__all__ = ["MAX_PAGE", "Client", "check_task_id", "quiet_kill"]

MAX_PAGE = 500  # the service refuses more
_ID_LIMIT = 128


def check_task_id(task_id: object) -> str:
    """The id, stripped of outer blanks.

    Raises:
        UserInputError: Not a text, empty, too long, or with a character that no id has.
    """
    if not isinstance(task_id, str):
        raise UserInputError(f"A task id is a text, not {type(task_id).__name__}.")
    text = task_id.strip(" ")
    # Ids are opaque, but none can hold what would change the request's path.
    plain = text.isascii() and text.replace("-", "").replace("_", "").isalnum()
    if not plain or len(text) > _ID_LIMIT:
        raise UserInputError(
            f"{task_id[:40]!r} is no task id.",
            hint="An id is letters and digits, such as 'i4ir3kvv62odsfrhko4y8w2an'.",
        )
    return text


class Client:
    """The service's endpoints. Holds no state but its connections; safe to share.

    Every method raises `AuthenticationError`, `NotFoundError`, `RateLimitedError`, `ServerError`,
    `ServiceConnectionError` or `BadPayloadError` where that is what happened.
    """

    def __init__(
        self,
        config: Config,
        *,
        timeouts: Timeouts | None = None,
        newer: Callable[[Config], Iterable[Config]] = newer_key,
    ) -> None:
        version = importlib.metadata.version("inductiva_widgets")
        agent = f"inductiva_widgets/{version}"
        self.credentials = Credentials(config, newer)
        self._api = ApiTransport(self.credentials, user_agent=agent, timeouts=timeouts)
        self.links = LinkTransport(timeouts=timeouts)
        self.clock = ServerClock()
        self.run_times = RunTimes()

    def close(self) -> None:
        """Closes all connections."""
        self._api.close()
        self.links.close()

    # -- tasks ------------------------------------------------------------------------------

    def task(self, task_id: str, *, retry: bool = True) -> models.TaskRecord:
        """The whole task with its history."""
        with _of_task(task_id):
            body = self._get(_task_path(task_id), retry=retry)
        record = models.decode(body, models.TaskRecord)
        return _known(record, record.task_id, record.status)

    def task_dict(self, task_id: str) -> dict[str, Any]:
        """The whole task exactly as sent."""
        with _of_task(task_id):
            value = models.decode_any(self._get(_task_path(task_id)))
        if not isinstance(value, dict):
            raise BadPayloadError("The service described the task by something that is no object.")
        return value

    def status(self, task_id: str, *, retry: bool = True) -> models.StatusReply:
        """The small status answer."""
        with _of_task(task_id):
            body = self._get(_task_path(task_id) + "/status", retry=retry)
        record = models.decode(body, models.StatusReply)
        return _known(record, record.id, record.status)

    def tasks(
        self,
        *,
        page: int = 1,
        per_page: int = 10,
        status: str | None = None,
        project: str | None = None,
        retry: bool = True,
    ) -> models.TaskPage:
        """One page of tasks, newest first."""
        query = _page_query(page, per_page, status, project)
        found = models.decode(self._get("/tasks", query, retry=retry), models.TaskPage)
        if page == 1:  # the newest are enough, and a long history stays fast
            self.run_times.learn(found.tasks)
        return found

    def task_rows(
        self,
        *,
        page: int,
        per_page: int,
        status: str | None,
        project: str | None,
        lost: list[str],
    ) -> rows.RowPage:
        """One page of tasks as rows, newest first; `lost` takes the fields that were unreadable."""
        query = _page_query(page, per_page, status, project)
        found = models.decode(self._get("/tasks", query), rows.RowPage, lost)
        if page == 1:  # as above
            self.run_times.learn(found.tasks)
        return found

    def kill(self, task_id: str) -> models.StatusReply:
        """Asks for the end of a task; sent exactly once."""
        with _of_task(task_id):
            reply = self._api.send("POST", _task_path(task_id) + "/kill")
        return models.decode(reply.body, models.StatusReply)

    def metadata(self, task_id: str) -> dict[str, str]:
        """The task's own notes."""
        value = models.decode_any(self._get(_task_path(task_id) + "/metadata"))
        return {str(k): str(v) for k, v in value.items()} if isinstance(value, dict) else {}

    def set_metadata(
        self, task_id: str, metadata: Mapping[str, str], *, replace: bool = False
    ) -> None:
        """Merges notes into the task's, or replaces them all."""
        method = "PUT" if replace else "PATCH"
        body = msgspec.json.encode(dict(metadata))
        self._api.send(method, _task_path(task_id) + "/metadata", body=body)

    # -- submitting -------------------------------------------------------------------------

    def submit(self, body: Mapping[str, object]) -> models.Submission:
        """Creates a task; its inputs follow.

        Raises:
            SubmissionUnknownError: The request was sent, but its result is unknown.
        """
        try:
            reply = self._api.send("POST", "/tasks/submit", body=msgspec.json.encode(dict(body)))
            record = models.decode(reply.body, models.Submission)
            return _known(record, record.id, record.status)
        except (ServerError, ServiceConnectionError, BadPayloadError) as error:
            if isinstance(error, ServiceConnectionError) and not error.may_have_arrived:
                raise
            raise SubmissionUnknownError(
                f"Whether the task was made is not known: {error.message}",
                hint="Look for it before you submit again: inductiva_widgets.tasks.list(last_n=5)."
                " One that waits for its inputs can be killed.",
            ) from None

    def input_uploaded(self, task_id: str) -> None:
        """Says that the inputs are there: the task enters the queue."""
        self._api.send("POST", _task_path(task_id) + "/input_uploaded")

    def machine_group(self, name: str) -> models.MachineGroup:
        """A machine group by name."""
        body = self._get(f"/compute/group/{quote(name, safe='')}")
        return models.decode(body, models.MachineGroup)

    def price_per_hour(self, group: models.MachineGroup) -> float | None:
        """US dollars for an hour of the whole group, at most; `None` when it is unknown.

        The price is optional: failing to get one is not an error (`GET /compute/price`).
        """
        known = group.cost_per_hour.max if group.cost_per_hour else None
        if known is not None or group.provider_id == "LOCAL":
            return _amount(known)
        if group.machine_type is None or group.zone is None:
            return None
        query = {"machine_type": group.machine_type, "zone": group.zone}
        try:
            price = models.decode(self._get("/compute/price", query, retry=False), models.Price)
        except InductivaWidgetsError:
            return None
        each = _amount(price.preemptible_price if group.spot else price.on_demand_price)
        return None if each is None else each * (group.max_vms or group.num_vms or 1)

    def start_machine_group(self, group_id: str) -> None:
        """Starts a registered group; may take minutes."""
        query = {"machine_group_id": group_id}
        self._api.send("POST", "/compute/group/start", query=query)

    def ensure_project(self, name: str) -> None:
        """Makes the project if it does not exist."""
        try:
            self._get(f"/projects/{quote(name, safe='')}")
        except NotFoundError:
            body = msgspec.json.encode({"name": name, "project_type": "project"})
            self._api.send("POST", "/projects", body=body)

    # -- the machine of a running task ------------------------------------------------------

    def live_register(self, task_id: str, sender: str) -> None:
        """Opens a mailbox for answers of the task's machine."""
        self._post_live(task_id, "register", {"sender_id": sender})

    def live_offer(self, task_id: str, message: Mapping[str, str]) -> None:
        """Puts a message into the mailbox of the task's machine."""
        self._post_live(task_id, "offer", message)

    def live_message(self, task_id: str, receiver: str, block_s: int) -> object | None:
        """The oldest message of a mailbox; `None` when none came within `block_s` seconds."""
        query: dict[str, str | int] = {"client": receiver, "block_s": block_s}
        body = self._get(_task_path(task_id) + "/message", query, retry=False)
        return models.decode_any(body) if body else None

    def live_json(self, task_id: str, what: str) -> object:
        """What only the local engine serves by plain requests: `files`, `last-modified-file`."""
        return models.decode_any(self._get(f"{_task_path(task_id)}/live/{what}", retry=False))

    def live_bytes(self, task_id: str, what: str, query: Query | None = None) -> bytes:
        """The same as it is sent: `top`, and `file`, which is a line of JSON and then bytes."""
        return self._get(f"{_task_path(task_id)}/live/{what}", query, retry=False)

    def _post_live(self, task_id: str, what: str, body: Mapping[str, str]) -> None:
        encoded = msgspec.json.encode(dict(body))
        self._api.send("POST", f"{_task_path(task_id)}/{what}", body=encoded)

    # -- storage ----------------------------------------------------------------------------

    def signed_url(self, path: str, *, operation: str, region: str | None) -> str:
        """A link to one stored file; it expires, and is a secret.

        Raises:
            NotFoundError: No such file (yet).
        """
        query = {"operation": operation, "paths": [path.lstrip("/")]}
        if region:
            query["region"] = region
        links = models.decode_list(self._get("/storage/signed-urls", query))
        if not links or not isinstance(links[0], str):
            raise NotFoundError("The storage has no such file (yet).")
        return links[0]

    def upload(self, url: str, body: IO[bytes]) -> None:
        """Sends a file to a signed upload link."""
        self.links.put(url, body)

    def remove(self, path: str, *, region: str | None) -> None:
        """Deletes a stored file or folder (a folder's path ends with `/`)."""
        query = {"path": path.lstrip("/"), **({"region": region} if region else {})}
        self._api.send("DELETE", "/storage/", query=query)

    def user(self) -> dict[str, Any]:
        """The account that the key belongs to; also the cheapest check of a key."""
        value = models.decode_any(self._get("/users/info"))
        return value if isinstance(value, dict) else {}

    def _get(self, path: str, query: Query | None = None, *, retry: bool = True) -> bytes:
        reply = self._api.get(path, query, retry=retry)
        self.clock.observe(reply.date)
        return reply.body


def _page_query(
    page: int, per_page: int, status: str | None, project: str | None
) -> dict[str, str | int]:
    query: dict[str, str | int] = {"page": page, "per_page": per_page}
    if status is not None:
        query["status"] = status
    if project is not None:
        query["project"] = project
    return query


def _amount(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) and value >= 0 else None


def _task_path(task_id: str) -> str:
    return f"/tasks/{quote(check_task_id(task_id), safe='')}"


@contextlib.contextmanager
def _of_task(task_id: str) -> Iterator[None]:
    """A 404 inside means that the account has no such task, whatever words come with it."""
    try:
        yield
    except NotFoundError as error:
        raise NotFoundError(
            f"This account has no task {task_id}.",
            hint="Check the id: inductiva_widgets.tasks.list() gives the tasks of the account.",
            status_code=error.status_code,
        ) from None


def _known(record: models.R, task_id: str, status: str) -> models.R:
    """The record, if it says which task and in which state: all else may be missing."""
    if not task_id or not status:
        raise BadPayloadError("The service described a task without its id or status.")
    return record


@contextlib.contextmanager
def quiet_kill(client: Client, task_id: str) -> Iterator[None]:
    """Kills the task when the block fails, as the official client does for failed uploads.

    Raises:
        SubmissionUnknownError: It could not be killed either, so it may continue.
    """
    try:
        yield
    except BaseException as error:
        try:
            client.kill(task_id)
        except (ServerError, ServiceConnectionError, RateLimitedError, BadPayloadError):
            if isinstance(error, Exception):
                raise SubmissionUnknownError(
                    f"Task {task_id} was made, but not all of it arrived: {error} It could not be"
                    " killed and may go on.",
                    hint=f"Kill it before you submit again: Task({task_id!r}).kill().",
                    task_id=task_id,
                ) from None
        except InductivaWidgetsError:  # it has ended already, or never was
            pass
        raise
