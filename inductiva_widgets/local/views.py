"""Stored tasks as the JSON objects of the service, and this machine as their `executer`."""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import psutil

from inductiva_widgets.local.statuses import STATUSES, TERMINAL

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from inductiva_widgets.local.store import TaskRecord

__all__ = ["BUCKET", "GROUP_NAME", "REGION", "Machine", "task_detail", "task_object"]

JsonObject = dict[str, Any]
BUCKET = "local"
GROUP_NAME = "local"
REGION = "local"
OPERATION_ALIASES = {
    "download_container": "Fetch container image",
    "uncompress_input": "Unpack inputs",
    "exec_command": "Execute command",
    "upload_output": "Store outputs",
}


@dataclass(frozen=True, slots=True)
class Machine:
    """This computer, described as the service describes a machine and its group."""

    uuid: str
    group_id: str
    name: str
    cpu_logical: int
    cpu_physical: int
    memory_bytes: int

    @classmethod
    def here(cls, uuid: str, group_id: str) -> Machine:
        """The computer that runs this program."""
        logical = psutil.cpu_count() or 1
        return cls(
            uuid=uuid,
            group_id=group_id,
            name=platform.node() or "local-machine",
            cpu_logical=logical,
            cpu_physical=psutil.cpu_count(logical=False) or logical,
            memory_bytes=psutil.virtual_memory().total,
        )

    def executer(self, error_detail: str | None) -> JsonObject:
        """The `executer` of a task."""
        return {
            "uuid": self.uuid,
            "cpu_count_logical": self.cpu_logical,
            "cpu_count_physical": self.cpu_physical,
            "memory": self.memory_bytes,
            "n_mpi_hosts": 1,
            "vm_type": "n/a",
            "vm_name": self.name,
            "host_type": "LOCAL",
            "error_detail": error_detail,
        }

    def group(self, created: str) -> JsonObject:
        """The one machine group (`GET /compute/groups`)."""
        return {
            "id": self.group_id,
            "name": GROUP_NAME,
            "machine_type": "n/a",
            "disk_size_gb": 10,
            "num_vms": 1,
            "min_vms": 1,
            "max_vms": 1,
            "zone": "local",
            "type": "standard",
            "is_elastic": False,
            "provider_id": "LOCAL",
            "started": True,
            "status": "started",
            "spot": False,
            "cpu_info": {
                "cpu_cores_logical": self.cpu_logical,
                "cpu_cores_physical": self.cpu_physical,
            },
            "gpu_info": None,
            "quota_usage": {},
            "cost_per_hour": {"min": 0.0, "max": 0.0, "min_reason": "", "max_reason": ""},
            "max_idle_time": None,
            "total_ram_gb": max(round(self.memory_bytes / 1e9), 1),
            "idle_seconds": None,
            "creation_timestamp": created,
            "auto_terminate_ts": None,
        }


def task_object(record: TaskRecord, machine: Machine) -> JsonObject:
    """A task as it is in lists (`GET /tasks`)."""
    request = record.request
    failed_here = record.error_detail if record.status == "executer-failed" else None
    return {
        "task_id": record.task_id,
        "status": record.status,
        "status_alias": STATUSES[record.status].alias,
        "simulator": record.simulator,
        "project": record.project,
        "is_terminated": record.status in TERMINAL,
        "num_retries": 0,
        "metrics": _metrics(record),
        "duration_seconds": _seconds(record.create_time, record.end_time or _now()),
        "storage_path": f"{BUCKET}/{record.storage_dir}/",
        "storage_input_path": record.input_path,
        "storage_output_path": record.output_path,
        "storage_region": REGION,
        "container_image": record.container_image,
        "create_time": record.create_time,
        "input_submit_time": record.input_submit_time,
        "start_time": record.start_time,
        "computation_start_time": record.computation_start_time,
        "computation_end_time": record.computation_end_time,
        "end_time": record.end_time,
        "estimated_computation_cost": None,
        "executer": machine.executer(failed_here) if record.start_time else None,
        "machine_group_name": GROUP_NAME,
        "machine_group_id": machine.group_id,
        "error_detail": record.error_detail,
        "input_resources": request["input_resources"],
        "stream_zip": request["stream_zip"],
        "compress_with": request["compress_with"],
        "task_metadata": record.metadata,
        "extra_params": request["extra_params"],
        "resubmit_on_preemption": request["resubmit_on_preemption"],
        "orchestration_fee": None,
    }


def task_detail(
    record: TaskRecord,
    history: Sequence[tuple[sqlite3.Row, Sequence[sqlite3.Row]]],
    machine: Machine,
) -> JsonObject:
    """A single task, with its history (`GET /tasks/{id}`)."""
    return {
        **task_object(record, machine),
        "status_history": [
            _history_entry(entry, operations, machine, record) for entry, operations in history
        ],
        "machine_operations": [],
        "steps": [],
    }


def _history_entry(
    entry: sqlite3.Row, operations: Sequence[sqlite3.Row], machine: Machine, record: TaskRecord
) -> JsonObject:
    status = str(entry["status"])
    text = STATUSES[status]
    on_machine = record.start_time is not None and entry["timestamp"] >= record.start_time
    description = text.description
    if status == record.status and record.error_detail:
        description = record.error_detail
    return {
        "status": status,
        "alias": text.alias,
        "description": description,
        "timestamp": entry["timestamp"],
        "end_timestamp": entry["end_timestamp"],
        "machine_id": machine.uuid if on_machine else None,
        "operations": [
            {
                "name": operation["name"],
                "alias": OPERATION_ALIASES.get(operation["name"], operation["name"]),
                "start_timestamp": operation["start_timestamp"],
                "end_timestamp": operation["end_timestamp"],
                "status": operation["status"],
                "attributes": json.loads(operation["attributes"]),
            }
            for operation in operations
        ],
    }


def _metrics(record: TaskRecord) -> JsonObject:
    """Measured values, and those that follow from the stamps; each only once it is known."""
    metrics = dict(record.metrics)
    spans = {
        "input_upload_seconds": (record.create_time, record.input_submit_time),
        "queue_time_seconds": (record.input_submit_time, record.start_time),
        "total_seconds": (record.create_time, record.end_time),
    }
    for name, (begin, end) in spans.items():
        if begin is not None and end is not None:
            metrics[name] = _seconds(begin, end)
    return metrics


def _seconds(begin: str, end: str) -> float:
    span = datetime.fromisoformat(end) - datetime.fromisoformat(begin)
    return max(span.total_seconds(), 0.0)  # a clock that was set back must not show


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="microseconds")
