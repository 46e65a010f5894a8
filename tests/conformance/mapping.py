"""The official client's calls and fields beside ours: data for tests and for `docs/fidelity.md`.

`differs` is empty where both answer the same. `value`, where given, turns their answer into the one
that ours must give, for the same task on the same service; its test is `test_same_answers.py`.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Mapping:
    """One call: `Task.…`, `tasks.…` or `TaskOutputInfo.…` of theirs, its counterpart in ours."""

    theirs: str
    ours: str | None
    differs: str = ""
    value: Callable[[Any], Any] | None = None


@dataclass(frozen=True)
class Field:
    """One field of a task object: attribute of our record, and how it differs from what is sent."""

    name: str
    ours: str | None
    differs: str = ""


def same(value: Any) -> Any:
    return value


def clock(seconds: float | None) -> str | None:
    """`00:03:12`: what the official pages show for the seconds that theirs answers now."""
    if seconds is None:
        return None
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours:02}:{minute:02}:{second:02}"


def span(seconds: float | None) -> dt.timedelta | None:
    return None if seconds is None else dt.timedelta(seconds=seconds)


RETURNED = (
    "a record that prints as the same text; theirs text and exit code, and errors are printed"
)

METHODS: list[Mapping] = [
    # -- one task
    Mapping("Task.id", "Task.id", value=same),
    Mapping("Task.info", "Task.info", "a record: the fields below, times and numbers as sent"),
    Mapping(
        "Task.get_info",
        "Task.refresh",
        "`Task.to_dict()` is their `get_info().to_dict()`; an unknown task raises `NotFoundError`",
    ),
    Mapping("Task.get_info.to_dict", "Task.to_dict", value=same),
    Mapping(
        "Task.from_api_info", None, "not needed: `tasks.get` and `tasks.list` make the objects"
    ),
    Mapping("Task.get_status", "Task.get_status", "plain text, not an enum: prints as it is", same),
    Mapping("Task.is_running", "Task.is_running", value=same),
    Mapping("Task.is_terminal", "Task.is_terminal", value=same),
    Mapping(
        "Task.is_failed",
        "Task.is_failed",
        "`executer-terminated-credits-exhausted` counts as failed too",
        same,
    ),
    Mapping(
        "Task.get_position_in_queue",
        "Task.get_position_in_queue",
        "`None` once it left the queue; theirs keeps the last number seen",
        same,
    ),
    Mapping("Task.get_simulator_name", "Task.get_simulator_name", value=same),
    Mapping("Task.get_storage_path", "Task.info.storage_path", value=same),
    Mapping(
        "Task.get_machine_type",
        "Task.get_machine_type",
        "`c2-standard-4`, as the official pages show; theirs puts the provider in front:"
        " `GCP-c2-standard-4`. Own machines by their name, where theirs says `LOCAL-a`",
    ),
    Mapping(
        "Task.get_computation_time",
        "Task.get_computation_time",
        "`00:03:12`, as the official pages show; theirs gives seconds:"
        " `Task.computation_time` holds them",
        clock,
    ),
    Mapping("Task.get_computation_time (seconds)", "Task.computation_time", "a timedelta", span),
    Mapping(
        "Task.get_total_time", "Task.get_total_time", "`00:04:04`; theirs gives seconds", clock
    ),
    Mapping("Task.get_metadata", "Task.get_metadata", value=same),
    Mapping(
        "Task.set_metadata",
        "Task.set_metadata",
        "adds to the notes (`PATCH`) unless `replace=True`; theirs always replaces them (`PUT`)",
    ),
    Mapping("Task.summary", "Task.timeline", "a frame of the phases; their text is the view's"),
    Mapping("Task.print_summary", "Task.timeline", "see above"),
    # -- outputs
    Mapping(
        "Task.get_output_info",
        "Task.get_output_info",
        "all files with their folders, as the official pages show;"
        " theirs lists the first level, with folders as entries of 0 bytes",
    ),
    Mapping(
        "Task.download_outputs",
        "Task.download_outputs",
        "a missing name raises after the others were delivered, files that are there are kept"
        " unless `overwrite` says otherwise; `rm_remote_files` is `remove_remote_files()`",
    ),
    Mapping(
        "Task.download_inputs",
        "Task.download_inputs",
        "as `Task.download_outputs`; the folder is `output_dir`, theirs `input_dir`",
    ),
    Mapping("Task.get_output_url", None, "links are secrets: downloads ask for them by themselves"),
    Mapping("Task.get_input_url", None, "see above"),
    Mapping(
        "Task.remove_remote_files",
        "Task.remove_remote_files",
        "raises when there are none; theirs returns `False`",
    ),
    # -- waiting and ending
    Mapping(
        "Task.wait",
        "Task.wait",
        "has a time limit, downloads nothing; in a notebook it shows the task meanwhile",
    ),
    Mapping(
        "Task.wait_for_status", None, "`Task.wait` waits for the end; the view follows the rest"
    ),
    Mapping(
        "Task.kill",
        "Task.kill",
        "`killed` (true), `pending` or `already-ended`; theirs True, False or None",
    ),
    Mapping(
        "Task.sync_context",
        "Task.sync_context",
        "lets Ctrl-C through after the kill; theirs swallows it",
    ),
    # -- live files
    Mapping("Task.list_files", "Task.list_files", RETURNED),
    Mapping(
        "Task.tail_files",
        "Task.tail_files",
        "`lines` is 10, `follow` false by default; of an ended task it reads the outputs;"
        " `Task.tail` gives the lines themselves",
    ),
    Mapping("Task.last_modified_file", "Task.last_modified_file", RETURNED),
    Mapping("Task.close_stream", None, "`close()` of what `Task.tail` returns"),
    # -- lists
    Mapping("tasks.get", "tasks.get", "10 by default, theirs 5; `last_n=None` for all"),
    Mapping("tasks.get_tasks", "tasks.get", "`last_n=None` for all, theirs 0 or less"),
    Mapping("tasks.get_all", "tasks.get", "`last_n=None`"),
    Mapping(
        "tasks.to_dict",
        "tasks.list",
        "a frame with times, spans and numbers as such, and more columns",
    ),
    # -- what outputs hold
    Mapping("TaskOutputInfo.total_size_bytes", "OutputInfo.total_size_bytes", value=same),
    Mapping("TaskOutputInfo.files", "OutputInfo.files", "with those in folders"),
    Mapping("TaskOutputInfo.n_files", "OutputInfo.n_files", "with those in folders"),
    Mapping(
        "TaskOutputInfo.total_compressed_size_bytes",
        "OutputInfo.total_compressed_size_bytes",
        "with those in folders",
    ),
    # -- submitting
    Mapping(
        "simulators.CustomImage.run",
        "tasks.submit",
        "commands as texts or dicts; `time_to_live_s` in seconds; no `storage_dir`",
    ),
    Mapping("simulators.SplishSplash.run", "tasks.submit", "the commands are given, not made"),
]

FIELDS: list[Field] = [
    *(
        Field(name, name)
        for name in (
            "task_id",
            "status",
            "status_alias",
            "simulator",
            "project",
            "is_terminated",
            "num_retries",
            "metrics",
            "duration_seconds",
            "storage_path",
            "storage_input_path",
            "storage_output_path",
            "storage_region",
            "container_image",
            "create_time",
            "input_submit_time",
            "start_time",
            "computation_start_time",
            "computation_end_time",
            "end_time",
            "estimated_computation_cost",
            "executer",
            "machine_group_name",
            "machine_group_id",
            "error_detail",
            "input_resources",
            "stream_zip",
            "compress_with",
            "task_metadata",
            "extra_params",
            "resubmit_on_preemption",
            "orchestration_fee",
            "status_history",
            "machine_operations",
            "steps",
        )
    )
]


def state_table() -> str:
    """The calls and fields with their state, as `docs/fidelity.md` shows them."""
    lines = ["| Official client | Here | How ours differs |", "|---|---|---|"]
    lines += [
        f"| `{one.theirs}` | {f'`{one.ours}`' if one.ours else '–'} | {one.differs or 'the same'} |"
        for one in METHODS
    ]
    lines += ["", "| Field of a task | `Task.info` | How it differs |", "|---|---|---|"]
    lines += [
        f"| `{one.name}` | {f'`{one.ours}`' if one.ours else '–'} | {one.differs or 'as sent'} |"
        for one in FIELDS
    ]
    return "\n".join(lines) + "\n"
