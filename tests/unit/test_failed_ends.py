"""Tasks that ended badly, as views are told of them: a record and a log of each kind of end.

`tests/golden/failed-ends.json` holds them for the gallery of view states; run this file to write it
anew.
"""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import msgspec
import pytest

from inductiva_widgets.api.models import (
    STATUSES,
    Machine,
    Metrics,
    Operation,
    StatusChange,
    TaskRecord,
)
from inductiva_widgets.causes import cause_of
from inductiva_widgets.ending import LOG_TAIL_LINES, LastWords, explained
from inductiva_widgets.formats import iso
from inductiva_widgets.phases import phases
from inductiva_widgets.service.protocol import BackendName, LogEnd, TaskFailure
from inductiva_widgets.service.summaries import record_summary, service_error
from inductiva_widgets.task.files import outputs_missing

FILE = Path(__file__).parents[1] / "golden" / "failed-ends.json"
BACKEND = BackendName("f51124d7652f", "api.inductiva.ai")
CREATED = dt.datetime(2026, 11, 21, 10, 37, 20, tzinfo=dt.timezone.utc)
PREPARATION = (("blockMesh", 1.1), ("setFields", 0.9), ("decomposePar", 2.0))
SOLVER = "mpirun -np 4 interFoam -parallel"
COMPUTED_S = 59.0
NO_FILE = "cannot open shared object file: No such file or directory"


class End(NamedTuple):
    """How a task ended; its last command ran for `seconds`, or never with `None`."""

    status: str
    seconds: float | None
    code: int | None = None
    file: str = "stderr.txt"
    lines: tuple[str, ...] = ()
    total: int | None = None
    command: str = SOLVER
    told: str | None = None
    has_files: bool = True


STEPS = (
    "Courant Number mean: 0.0412 max: 0.884",
    "deltaT = 0.00119",
    "Time = 0.7312s",
    "PIMPLE: Iteration 1",
    "DICPCG:  Solving for p_rgh, Initial residual = 0.00213, Final residual = 9.8e-06",
    "ExecutionTime = 7193.4 s  ClockTime = 7196 s",
)
ENDS = {
    "library": End(
        "failed",
        0.2,
        127,
        lines=(
            "interFoam: error while loading shared libraries: libwaveModels.so: " + NO_FILE,
            "mpirun detected that one or more processes exited with non-zero status.",
        ),
        total=2,
    ),
    "command": End(
        "failed",
        0.1,
        127,
        command="interfoam -parallel",
        lines=("bash: line 1: interfoam: command not found",),
        total=1,
    ),
    "input": End(
        "failed",
        1.3,
        1,
        lines=(
            "--> FOAM FATAL IO ERROR:",
            "keyword deltaT is undefined in dictionary system/controlDict",
            "file: system/controlDict from line 18 to line 49.",
            "    From function const Foam::entry& Foam::dictionary::lookupEntry(const word&, bool)",
            "FOAM parallel run exiting",
        ),
        total=5,
    ),
    "crash": End(
        "failed",
        84.6,
        139,
        lines=(
            "[2] #0  Foam::error::printStack(Foam::Ostream&)",
            "[2] #1  Foam::sigSegv::sigHandler(int)",
            "[2] #2  Foam::fvc::flux(Foam::GeometricField<Foam::Vector<double> > const&)",
            "mpirun noticed that process rank 2 exited on signal 11 (Segmentation fault).",
        ),
        total=17,
    ),
    "memory": End(
        "failed",
        412.0,
        137,
        lines=("mpirun noticed that process rank 0 exited on signal 9 (Killed).",),
        total=4,
    ),
    "told": End(
        "failed", None, told="input.zip is not a zip archive: its end is missing.", has_files=False
    ),
    "time-limit": End("ttl-exceeded", 7200.0, file="stdout.txt", lines=STEPS),
    "spot": End("spot-instance-preempted", 3744.0, has_files=False),
    "credits": End("executer-terminated-credits-exhausted", 3744.0, has_files=False),
    "machine": End(
        "executer-failed",
        None,
        told="The image docker://inductiva/kutu:openfoam-foundation_v21 could not be pulled.",
        has_files=False,
    ),
    "machine-lost": End("executer-terminated", 3744.0, has_files=False),
    "machine-ended": End("executer-terminated-by-user", 1291.0, has_files=False),
    "machine-limit": End("executer-terminated-ttl-exceeded", 3744.0, has_files=False),
    "queue": End("zombie", None, has_files=False),
}


def stamp(seconds: float) -> str:
    return iso(CREATED + dt.timedelta(seconds=seconds)) or ""


def commands_of(end: End) -> list[Operation]:
    """The commands, one after another; what a machine takes with it leaves no exit code."""
    if end.seconds is None:
        return []
    found, at = [], COMPUTED_S
    for command, seconds in (*PREPARATION, (end.command, end.seconds)):
        is_last = command == end.command
        found.append(
            Operation(
                name="exec_command",
                start_timestamp=stamp(at),
                end_timestamp=stamp(at + seconds),
                status="FAILED" if is_last else "OK",
                attributes={"command": command, "exit_code": end.code if is_last else 0},
            )
        )
        at += seconds
    return found


def record_of(end: End) -> TaskRecord:
    """The task as the service describes it."""
    commands = commands_of(end)
    started = None if end.status == "zombie" else stamp(52)
    computed = stamp(COMPUTED_S) if commands else None
    over = commands[-1].end_timestamp if commands else stamp(1804) if started is None else computed
    over = over or stamp(61)
    moments = {
        "pending-input": stamp(0),
        "submitted": stamp(4),
        "started": started,
        "computation-started": computed,
        end.status: over,
    }
    on_machine = end.status == "executer-failed"
    return TaskRecord(
        task_id="9tq0sxk2m4w7v1c8z5r3yc1fe",
        status=end.status,
        simulator="OpenFOAM",
        project="default",
        is_terminated=True,
        metrics=Metrics(
            computation_seconds=sum(s for _, s in PREPARATION) + end.seconds if commands else None,
            output_total_files=11 if end.has_files else None,
            output_size_bytes=1740139 if end.has_files else None,
            output_zipped_size_bytes=281969 if end.has_files else None,
        ),
        create_time=stamp(0),
        input_submit_time=stamp(4),
        start_time=started,
        computation_start_time=computed,
        computation_end_time=over if commands else None,
        end_time=over,
        estimated_computation_cost=max(0.01, round(end.seconds / 5000, 2)) if commands else None,
        executer=Machine(vm_type="c2-standard-4", error_detail=end.told if on_machine else None),
        machine_group_name="api-3f8m2t",
        error_detail=None if on_machine else end.told,
        status_history=[
            StatusChange(
                status=status,
                alias=STATUSES[status].alias,
                timestamp=at,
                operations=commands if status == "computation-started" else [],
            )
            for status, at in moments.items()
            if at is not None
        ],
    )


def told(end: End) -> dict:
    """What the commands of views answer."""
    record = record_of(end)
    now = CREATED + dt.timedelta(hours=2)
    text = "\n".join(end.lines)
    words = LastWords(end.file, list(end.lines), end.total, text) if end.lines else None
    tail = LogEnd(words.file, words.lines, words.total) if words else None
    task = SimpleNamespace(id=record.task_id, is_terminal=lambda: True, info=record)
    return {
        "task": record_summary(BACKEND, record, (now, now)),
        "phases": [msgspec.to_builtins(phase) for phase in phases(record, now)],
        "cause": cause_of(record),
        "failure": TaskFailure(explained(record, words), tail),
        "outputs_error": None if end.has_files else service_error(outputs_missing(task)),
    }


def golden():
    return msgspec.to_builtins({name: told(end) for name, end in ENDS.items()})


def test_the_gallery_shows_what_is_told_of_each_end():
    assert json.loads(FILE.read_text(encoding="utf-8")) == golden()


@pytest.mark.parametrize("name", ENDS)
def test_each_end_has_a_sentence_a_step_and_few_lines(name):
    cause, tail = (golden()[name]["failure"][part] for part in ("cause", "tail"))

    assert cause["sentence"].endswith(".")
    assert cause["step"]
    assert tail is not None or "log" not in cause["step"]
    assert tail is None or cause["detail"] not in tail["lines"]
    assert tail is None or 0 < len(tail["lines"]) <= LOG_TAIL_LINES


if __name__ == "__main__":
    FILE.write_text(json.dumps(golden(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
