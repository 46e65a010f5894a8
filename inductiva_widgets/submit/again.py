"""The description of an existing task, so that it can be submitted again with changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

from inductiva_widgets.errors import UserInputError, unexpected
from inductiva_widgets.formats import short_id
from inductiva_widgets.submit.description import SIMULATOR, Description

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from inductiva_widgets.api.models import TaskRecord
    from inductiva_widgets.submit.description import Command

__all__ = ["Changes", "Options", "changed", "check_changes"]


class Options(TypedDict, total=False):
    """Options of a submission; their meaning is that of `tasks.submit`."""

    simulator: str | None
    machine_group: str | None
    container_image: str | None
    project: str | None
    time_to_live_s: float | None
    input_resources: Sequence[str]
    resubmit_on_preemption: bool
    metadata: Mapping[str, str] | None


class Changes(Options, total=False):
    """What may be changed when a task is submitted again; the rest stays as it was."""

    commands: Sequence[Command]
    input_dir: str | os.PathLike[str] | None


_OWN = ("sim_dir", "container_image", "commands")  # of `extra_params`: said by other fields
_COMMAND_FIELDS = ("cmd", "prompts", "mpi_config", "env")


def check_changes(changes: Mapping[str, object]) -> None:
    """Refuses names that are none of a submission's.

    Raises:
        TypeError: An unknown name, with the closest one, as for any function.
    """
    for name in changes:
        if name not in Changes.__annotations__:
            raise unexpected("resubmit", name, {*Changes.__annotations__, "dry_run"})


def changed(record: TaskRecord, changes: Mapping[str, Any]) -> Description:
    """The description of a task that there was, with some fields replaced.

    Raises:
        UserInputError: Neither the service nor the changes give the commands.
    """
    kept: dict[str, Any] = {
        "simulator": record.simulator if record.simulator != SIMULATOR else None,
        "machine_group": record.machine_group_name,
        "container_image": record.container_image,
        "project": record.project if record.project != "default" else None,
        "input_resources": record.input_resources,
        "resubmit_on_preemption": bool(record.resubmit_on_preemption),
        "metadata": record.task_metadata,
        "extra": {k: v for k, v in record.extra_params.items() if k not in _OWN},
    }
    if "commands" not in changes:
        kept["commands"] = _commands(record)
    return Description(**{**kept, **changes})


def _commands(record: TaskRecord) -> list[dict[str, Any]]:
    """The commands that were submitted; of a success, those that ran are the same ones."""
    listed = record.extra_params.get("commands")
    given = [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
    if not given and record.status == "success":
        given = [
            {"cmd": operation.attributes["command"]}
            for change in record.status_history
            for operation in change.operations
            if operation.name == "exec_command" and "command" in operation.attributes
        ]
    if not given:
        raise UserInputError(
            f"The service does not say which commands task {short_id(record.task_id)} had.",
            hint="Name them: task.resubmit(commands=[…]).",
        )
    return [{name: item[name] for name in _COMMAND_FIELDS if name in item} for item in given]
