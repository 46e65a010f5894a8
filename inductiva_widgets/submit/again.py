"""A task as a description, so that it can be sent again with changes."""

from __future__ import annotations

import difflib
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from inductiva_widgets.errors import UserInputError
from inductiva_widgets.formats import short_id
from inductiva_widgets.submit.description import SIMULATOR, Description

if TYPE_CHECKING:
    from collections.abc import Mapping

    from inductiva_widgets.api.models import TaskRecord

__all__ = ["CHANGES", "changed", "check_changes"]

CHANGES = tuple(
    sorted({field.name for field in fields(Description)} - {"extra"} | {"input_dir", "dry_run"})
)
_OWN = ("sim_dir", "container_image", "commands")  # of `extra_params`: said by other fields
_COMMAND_FIELDS = ("cmd", "prompts", "mpi_config", "env")


def check_changes(changes: Mapping[str, object]) -> None:
    """Refuses names that are none of a submission's.

    Raises:
        TypeError: An unknown name, with the closest one, as for any function.
    """
    for name in changes:
        if name not in CHANGES:
            close = difflib.get_close_matches(name, CHANGES, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(CHANGES)}."
            raise TypeError(f"resubmit() got an unexpected change {name!r}; {hint}")


def changed(record: TaskRecord, changes: Mapping[str, Any]) -> Description:
    """The description of a task that there was, with some fields replaced.

    Raises:
        UserInputError: The service does not tell the commands, and the changes do not either.
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
            f"The service does not tell which commands task {short_id(record.task_id)} had.",
            hint="Name them: task.resubmit(commands=[…]).",
        )
    return [{name: item[name] for name in _COMMAND_FIELDS if name in item} for item in given]
