"""Rows of the task list: what a frame shows of a task, and nothing else.

A list of 100,000 tasks decodes twice as fast into these as into whole records. Fields and
properties are named as those of `models.TaskRecord`, so that a frame is made of either. They are
written out: a type made of the other's fields would be unknown to the type checker, and records
that inherit from rows would lose the order in which they are shown.
"""

from __future__ import annotations

import msgspec

from inductiva_widgets.api.models import Record, machine_name

__all__ = ["RowPage", "TaskRow"]


class RowMetrics(Record, frozen=True):
    """Measured times in seconds and sizes in bytes."""

    total_seconds: float | None = None
    queue_time_seconds: float | None = None
    computation_seconds: float | None = None
    output_zipped_size_bytes: int | None = None
    output_size_bytes: int | None = None
    output_total_files: int | None = None


class RowMachine(Record, frozen=True):
    """The machine that picked the task up."""

    vm_type: str | None = None
    vm_name: str | None = None
    host_type: str | None = None
    n_mpi_hosts: int | None = None


class TaskRow(Record, frozen=True):
    """A task as shown in a frame."""

    task_id: str = ""
    status: str = ""
    simulator: str | None = None
    project: str | None = None
    is_terminated: bool = False
    num_retries: int | None = None
    metrics: RowMetrics = msgspec.field(default_factory=RowMetrics)
    container_image: str | None = None
    create_time: str | None = None
    input_submit_time: str | None = None
    start_time: str | None = None
    computation_start_time: str | None = None
    computation_end_time: str | None = None
    end_time: str | None = None
    estimated_computation_cost: float | None = None
    executer: RowMachine | None = None
    machine_group_name: str | None = None
    error_detail: str | None = None
    task_metadata: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def machine_type(self) -> str | None:
        """`c2-standard-4`, or `None` until a machine picked the task up."""
        machine = self.executer
        return machine_name(machine.vm_type, machine.vm_name) if machine else None


class RowPage(Record, frozen=True):
    """One page of the listing; `total_size` counts all pages."""

    total_size: int = 0
    tasks: list[TaskRow] = msgspec.field(default_factory=list)
