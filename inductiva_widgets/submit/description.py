"""The description of a task to submit: validated, and turned into a request body."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from inductiva_widgets.errors import UserInputError
from inductiva_widgets.formats import safe_text

__all__ = ["Command", "Description", "check_metadata"]

Command = str | Mapping[str, Any]

FORBIDDEN = "|><&;?~$"  # the service runs argument lists, never a shell
SIMULATOR = "arbitrary_commands"
LOCAL_GROUP = "local"
LOCAL_IMAGE = "docker://local"  # recorded only: the local engine runs no containers
SIM_DIR = "sim_dir"


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """A task to be: the arguments of `tasks.submit`, under the same names.

    Attributes:
        extra: Further `extra_params`, of a task that is sent again.
    """

    commands: Sequence[Command]
    simulator: str | None = None
    machine_group: str | None = None
    container_image: str | None = None
    project: str | None = None
    time_to_live_s: float | None = None
    input_resources: Sequence[str] = ()
    resubmit_on_preemption: bool = False
    metadata: Mapping[str, str] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def body(self, *, is_local: bool) -> dict[str, Any]:
        """Body of `POST /tasks/submit`; the group's id is still missing.

        Raises:
            UserInputError: Something is missing, or would be refused by the service.
        """
        if not is_local and not (self.machine_group and self.container_image):
            raise UserInputError(
                "On the service a task needs machine_group and container_image.",
                hint="Give both; only the local engine, connect(local=True), can do without.",
            )
        for name in ("simulator", "machine_group", "container_image", "project"):
            _check_text(name, getattr(self, name))
        if self.metadata:
            check_metadata(self.metadata)
        # A dict is iterable too: its keys would be taken for the commands.
        if isinstance(self.commands, (str, Mapping)) or not self.commands:
            raise UserInputError(
                "A task needs a list of at least one command.",
                hint='For example commands=["python run.py"].',
            )
        if self.time_to_live_s is not None:
            _check_limit(self.time_to_live_s)
        resources = self.input_resources
        image = self.container_image or LOCAL_IMAGE
        return {
            "simulator": SIMULATOR,
            "simulator_name_alias": self.simulator,
            "resource_pool": "",
            "container_image": image,
            "storage_path_prefix": "",
            "project": self.project,
            "time_to_live_seconds": self.time_to_live_s,
            "resubmit_on_preemption": self.resubmit_on_preemption,
            "input_resources": [resources] if isinstance(resources, str) else list(resources),
            "stream_zip": True,
            "compress_with": "SEVEN_Z",
            "extra_params": {
                **self.extra,
                "sim_dir": SIM_DIR,
                "container_image": image,
                "commands": [_command(item) for item in self.commands],
            },
        }


def _check_text(name: str, value: object) -> None:
    if value is not None and not isinstance(value, str):
        raise UserInputError(f"{name} is {safe_text(repr(value), 60)}, but must be a text.")


def _check_limit(seconds: object) -> None:
    is_number = isinstance(seconds, numbers.Real) and not isinstance(seconds, bool)
    if not is_number or not 0 < seconds < math.inf:  # type: ignore[operator] # a number by then
        raise UserInputError(
            f"time_to_live_s is {safe_text(repr(seconds), 60)}, but must be more than 0 seconds.",
            hint="time_to_live_s=None sets no limit.",
        )


def _command(item: Command) -> dict[str, Any]:
    given: Mapping[str, Any] = item if isinstance(item, Mapping) else {"cmd": item}
    text = given.get("cmd")
    if not isinstance(text, str) or not text.strip():
        raise UserInputError("A command is a text, or a dict whose 'cmd' is one.")
    bad = sorted(set(text) & set(FORBIDDEN))
    if bad:
        raise UserInputError(
            f"The command {text!r} holds {' '.join(bad)}, which no shell will interpret.",
            hint="Put such a line into a script among the inputs and run the script.",
        )
    unknown = set(given) - {"cmd", "prompts", "mpi_config", "env"}
    if unknown:
        raise UserInputError(
            f"A command has no field {min(unknown)!r}.",
            hint="It may have cmd, prompts, mpi_config and env.",
        )
    prompts, environment = given.get("prompts") or [], given.get("env") or {}
    if isinstance(prompts, str) or not isinstance(prompts, Sequence):
        raise UserInputError(
            "The prompts of a command are a list of texts.", hint='For example prompts=["y"].'
        )
    if not isinstance(environment, Mapping):
        raise UserInputError(
            "The env of a command is a dict.", hint='For example env={"OMP_NUM_THREADS": "4"}.'
        )
    return {
        "cmd": text,
        "prompts": list(prompts),
        "mpi_config": given.get("mpi_config"),
        "env": {str(name): str(value) for name, value in environment.items()},
    }


def check_metadata(metadata: Mapping[str, str]) -> None:
    """Refuses what is not a mapping, and keys and values that are empty or not text."""
    is_mapping = isinstance(metadata, Mapping)
    texts: list[object] = [*metadata.keys(), *metadata.values()] if is_mapping else [None]
    if not all(isinstance(text, str) and text for text in texts):
        raise UserInputError(
            "Metadata keys and values are non-empty texts.",
            hint='For example metadata={"mesh": "coarse"}.',
        )
