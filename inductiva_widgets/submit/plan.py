"""Submitting a task: what would be sent, and sending it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import IO, TYPE_CHECKING, Any

from inductiva_widgets.api.client import quiet_kill
from inductiva_widgets.errors import NotFoundError
from inductiva_widgets.formats import safe_text
from inductiva_widgets.submit.description import LOCAL_GROUP, LOCAL_IMAGE
from inductiva_widgets.submit.portability import local_only

if TYPE_CHECKING:
    from inductiva_widgets.api.models import MachineGroup
    from inductiva_widgets.backend import Backend
    from inductiva_widgets.submit.description import Description

__all__ = ["DryRun", "Prepared", "prepare", "rehearse", "send"]


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a submission would send, where it would run, at what price. `print()` shows it.

    Attributes:
        body: Of `POST /tasks/submit`.
        machine: The group and its kind of machine, for people.
        inputs: Where the inputs come from, for people.
        price_per_hour: US dollars for an hour of the group, at most; `None` when unknown.
        warnings: What would not run on a remote machine, a sentence each.
    """

    body: dict[str, Any]
    machine: str
    inputs: str
    price_per_hour: float | None = None
    warnings: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """The same as plain values."""
        return asdict(self)

    def __str__(self) -> str:
        price = self.price_per_hour
        limit = self.body["time_to_live_seconds"]
        lines = [
            "Nothing was sent. This would be:",
            f"  Simulator:  {self.body['simulator_name_alias'] or self.body['simulator']}",
            f"  Machine:    {self.machine}",
            f"  Price:      {'unknown' if price is None else f'{price:.2f} US$ an hour at most'}",
            f"  Image:      {self.body['container_image']}",
            f"  Project:    {self.body['project'] or 'default'}",
            f"  Time limit: {'none' if limit is None else f'{limit:g} s'}",
            f"  Inputs:     {self.inputs}",
            "  Commands:",
        ]
        lines += [f"    {command['cmd']}" for command in self.body["extra_params"]["commands"]]
        lines += [f"Warning: {warning}" for warning in self.warnings]
        return "\n".join(safe_text(line, 4096) for line in lines)

    __repr__ = __str__


@dataclass(frozen=True, slots=True)
class Prepared:
    """A submission that was checked, with the group that will run it; nothing has changed yet."""

    description: Description
    body: dict[str, Any]
    group: MachineGroup


def prepare(backend: Backend, description: Description, body: dict[str, Any]) -> Prepared:
    """Finds the group; `body` is that of the description.

    Raises:
        NotFoundError: There is no such group.
    """
    name = description.machine_group or LOCAL_GROUP
    try:
        group = backend.client.machine_group(name)
    except NotFoundError as error:
        raise NotFoundError(
            f"There is no machine group {name!r}.",
            hint="Name one that there is with machine_group=; the local engine has 'local'.",
            status_code=error.status_code,
        ) from None
    return Prepared(description, {**body, "resource_pool": group.id}, group)


def rehearse(backend: Backend, prepared: Prepared, inputs: str) -> DryRun:
    """A description of what `send` would do."""
    group, wanted = prepared.group, prepared.description
    name = group.name or wanted.machine_group or LOCAL_GROUP
    own = group.provider_id == "LOCAL"
    kind = group.machine_type if group.machine_type not in (None, "n/a") else "machine"
    machine = f"{'a machine of your own' if own else kind} (group {name})"
    if not group.started:
        machine += ", which would be started"
    warnings = local_only(prepared.body["extra_params"]["commands"])
    own_group = wanted.machine_group in (None, "", LOCAL_GROUP)
    if backend.is_local and (own_group or wanted.container_image in (None, "", LOCAL_IMAGE)):
        warnings.append("The service needs machine_group and container_image as well.")
    price = backend.client.price_per_hour(group)
    return DryRun(prepared.body, machine, inputs, price, warnings)


def send(backend: Backend, prepared: Prepared, archive: IO[bytes]) -> str:
    """Sends the task and its inputs; returns its id.

    A group that is not started is started first, and a missing project made. If the inputs or the
    notes cannot be sent, the half-made task is killed.

    Raises:
        SubmissionUnknownError: An answer was lost, so that a task may be there.
    """
    client, body = backend.client, prepared.body
    if not prepared.group.started:
        client.start_machine_group(prepared.group.id)
    if body["project"]:
        client.ensure_project(body["project"])
    reply = client.submit(body)
    with quiet_kill(client, reply.id):
        if reply.status == "pending-input":
            path = f"{reply.id}/input.zip"
            url = client.signed_url(path, operation="upload", region=reply.storage_region)
            client.upload(url, archive)
            client.input_uploaded(reply.id)
        if prepared.description.metadata:
            client.set_metadata(reply.id, prepared.description.metadata)
    return reply.id
