"""Submitting a task: checked, rehearsed or sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, overload

from inductiva_widgets import backend as backends
from inductiva_widgets.submit import (
    Command,
    Description,
    check_inputs,
    packed_inputs,
    prepare,
    rehearse,
    send,
)
from inductiva_widgets.task import Task

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from typing_extensions import Unpack

    from inductiva_widgets.backend import Backend
    from inductiva_widgets.submit import DryRun, Options

__all__ = ["submit"]


@overload
def submit(
    commands: Sequence[Command],
    input_dir: str | os.PathLike[str] | None = ...,
    *,
    dry_run: Literal[False] = ...,
    backend: Backend | None = ...,
    **options: Unpack[Options],
) -> Task: ...


@overload
def submit(
    commands: Sequence[Command],
    input_dir: str | os.PathLike[str] | None = ...,
    *,
    dry_run: Literal[True],
    backend: Backend | None = ...,
    **options: Unpack[Options],
) -> DryRun: ...


def submit(  # noqa: PLR0913 - the fields of a task, all by name
    commands: Sequence[Command],
    input_dir: str | os.PathLike[str] | None = None,
    *,
    simulator: str | None = None,
    machine_group: str | None = None,
    container_image: str | None = None,
    project: str | None = None,
    time_to_live_s: float | None = None,
    input_resources: Sequence[str] = (),
    resubmit_on_preemption: bool = False,
    metadata: Mapping[str, str] | None = None,
    dry_run: bool = False,
    backend: Backend | None = None,
) -> Task | DryRun:
    """Submits a task and returns it.

    Args:
        commands: Run in order in the folder of the inputs; each a text, or a dict with `cmd` and
            optionally `env`, `prompts`, `mpi_config`. The first that fails ends the task.
        input_dir: Folder whose files the task starts with.
        simulator: Name to show in lists.
        machine_group: Name of the machines to use; the local engine has one, `local`.
        container_image: `docker://…` or `inductiva://…`; the local engine only records it.
        project: Project to file the task under; made if it does not exist.
        time_to_live_s: Longest computation in seconds.
        input_resources: Remote files to add to the inputs.
        resubmit_on_preemption: Whether a task that lost its machine starts again.
        metadata: Notes to keep with the task.
        dry_run: Sends nothing; returns a `DryRun`: what would be sent and where, what
            an hour of it costs, and what would not run on a remote machine.
        backend: Where to run; the default backend when not given.

    Raises:
        UserInputError: A command, the folder or the group is missing or invalid.
    """
    chosen = backend or backends.default()
    description = Description(
        commands=commands,
        simulator=simulator,
        machine_group=machine_group,
        container_image=container_image,
        project=project,
        time_to_live_s=time_to_live_s,
        input_resources=input_resources,
        resubmit_on_preemption=resubmit_on_preemption,
        metadata=metadata,
    )
    # Everything is checked and packed before anything is sent: a group that starts costs money.
    body = description.body(is_local=chosen.is_local)
    folder = check_inputs(input_dir)
    if dry_run:
        inputs = "none" if folder is None else f"the folder {folder.absolute()}"
        return rehearse(chosen, prepare(chosen, description, body), inputs)
    with packed_inputs(folder) as archive:
        return Task(send(chosen, prepare(chosen, description, body), archive), backend=chosen)
