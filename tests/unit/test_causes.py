"""Why a task ended: a sentence for every status, exit code and signal, and what logs give away."""

from __future__ import annotations

import signal

import pytest

from inductiva_widgets.api.models import STATUSES, Machine, Operation, StatusChange, TaskRecord
from inductiva_widgets.causes import cause_of

OPEN = (
    "pending-input",
    "submitted",
    "started",
    "computation-started",
    "computation-ended",
    "pending-kill",
)
KINDS = {
    "failed": "error",
    "killed": "killed",
    "ttl-exceeded": "time-limit",
    "executer-failed": "machine",
    "executer-terminated": "machine-lost",
    "executer-terminated-by-user": "machine-ended",
    "executer-terminated-ttl-exceeded": "machine-limit",
    "executer-terminated-credits-exhausted": "credits",
    "spot-instance-preempted": "spot",
    "zombie": "machine-gone",
}


def ended(status="failed", **more):
    return TaskRecord(task_id="t1", status=status, is_terminated=True, **more)


def failed_command(command, code=None, *before, status="FAILED", **more):
    operations = [
        Operation(name="exec_command", attributes={"command": text, "exit_code": 0}, status="OK")
        for text in before
    ]
    attributes = {"command": command, "exit_code": code}
    operations.append(Operation(name="exec_command", status=status, attributes=attributes))
    history = [StatusChange(status="computation-started", operations=operations)]
    return ended(status_history=[*history, StatusChange(status="failed")], **more)


# -- by status ---------------------------------------------------------------------------------


def test_the_table_covers_every_status():
    assert {*OPEN, *KINDS, "success"} == set(STATUSES)


@pytest.mark.parametrize("status", STATUSES)
def test_every_status_has_its_sentence_or_needs_none(status):
    record = TaskRecord(task_id="t1", status=status, is_terminated=status not in OPEN)

    cause = cause_of(record)

    if status in OPEN or status == "success":
        assert cause is None
        return
    assert cause is not None
    assert cause.kind == KINDS[status]
    assert cause.sentence.endswith(".")
    assert "{" not in cause.sentence + cause.step
    assert cause.step


def test_no_two_statuses_share_a_sentence():
    sentences = [cause_of(ended(status)).sentence for status in KINDS]

    assert len(set(sentences)) == len(sentences)


def test_a_status_of_the_future_is_told_by_its_alias():
    cause = cause_of(ended("machine-melted", status_alias="Machine Melted"))

    assert cause.sentence == "The task ended as Machine Melted."


def test_the_service_s_own_words_are_kept_as_detail():
    assert cause_of(ended("ttl-exceeded", error_detail="The limit of 3 s.")).detail == (
        "The limit of 3 s."
    )
    machine = Machine(error_detail="The image could not be pulled.")
    assert cause_of(ended("executer-failed", executer=machine)).detail == (
        "The image could not be pulled."
    )


def test_a_failure_before_any_command_is_told_in_the_service_s_words():
    cause = cause_of(ended(error_detail="input.zip is no archive."))

    assert cause.sentence == "input.zip is no archive."


def test_a_reclaimed_machine_that_is_replaced_asks_for_nothing():
    cause = cause_of(ended("spot-instance-preempted", resubmit_on_preemption=True))

    assert cause.step == "The service submits it again by itself."


def test_hostile_words_are_made_harmless():
    cause = cause_of(failed_command("run\u202e\x1b[31m <b>x</b>", 1), "error \x1b[2J\u202eevil")

    assert cause.sentence.isprintable()
    assert cause.detail.isprintable()


# -- by exit code and signal -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        (127, "not-found", "The command solver was not found (exit code 127)."),
        (126, "not-executable", "solver cannot be executed (exit code 126)."),
        (1, "error", "solver ended with exit code 1."),
        (255, "error", "solver ended with exit code 255."),
        (None, "error", "solver failed."),
        (128 + signal.SIGSEGV, "crash", "solver crashed (segmentation fault)."),
        (-signal.SIGSEGV, "crash", "solver crashed (segmentation fault)."),
        (128 + signal.SIGABRT, "crash", "solver aborted."),
        (128 + signal.SIGBUS, "crash", "solver crashed with a bus error."),
        (128 + signal.SIGILL, "crash", "solver crashed: it uses an instruction"),
        (128 + signal.SIGFPE, "diverged", "solver was stopped by a floating-point exception."),
        (128 + signal.SIGKILL, "memory", "solver was killed, most likely"),
        (128 + signal.SIGTERM, "stopped", "solver was terminated from outside."),
        (128 + signal.SIGXCPU, "time-limit", "solver reached its limit of processor time."),
        (128 + 40, "crash", "solver was ended by signal 40."),
    ],
)
def test_exit_codes_and_signals(code, kind, words):
    cause = cause_of(failed_command("./bin/solver case.json", code, "mesh"))

    assert cause.kind == kind
    assert cause.sentence.startswith(words)
    assert cause.step
    assert "{" not in cause.sentence + cause.step


@pytest.mark.parametrize(
    ("command", "program"),
    [
        ("mpirun -np 4 interFoam -parallel", "interFoam"),
        ("mpirun --oversubscribe -np 8 /opt/bin/gmx mdrun", "gmx"),
        ("python run.py --fast", "python run.py"),
        ("./SPHSimulator config.json", "SPHSimulator"),
        ("python3.11 -c pass", "python3.11"),
        ("srun lmp", "lmp"),
        ("mpirun -np 4", "mpirun -np 4"),
    ],
)
def test_the_program_is_named_not_what_starts_it(command, program):
    assert cause_of(failed_command(command, 3)).sentence == f"{program} ended with exit code 3."


def test_the_last_failure_counts_when_a_task_was_tried_again():
    first = failed_command("mesh", 1)
    record = ended(
        status_history=[*first.status_history, *failed_command("solve", 2).status_history]
    )

    assert cause_of(record).sentence == "solve ended with exit code 2."


def test_a_number_that_is_no_exit_code_is_not_told():
    assert cause_of(failed_command("solve", True)).sentence == "solve failed."
    assert cause_of(failed_command("solve", "1")).sentence == "solve failed."


# -- by log ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("log", "kind", "words"),
    [
        (
            "solver: error while loading shared libraries: libhdf5.so.103: cannot open shared",
            "library",
            "the library libhdf5.so.103 is missing",
        ),
        (
            "OSError: libmesh.so: cannot open shared object file: No such file or directory",
            "library",
            "the library libmesh.so is missing",
        ),
        ("ModuleNotFoundError: No module named 'fenics'", "library", "module fenics is missing"),
        ("terminate called after throwing 'std::bad_alloc'", "memory", "ran out of memory"),
        ("MemoryError", "memory", "ran out of memory"),
        ("write: No space left on device", "disk", "disk of the machine was full"),
        (
            "FileNotFoundError: [Errno 2] No such file or directory: 'mesh.msh'",
            "input",
            "did not find the file mesh.msh",
        ),
        ("cat: inputs/case.xml: No such file or directory", "input", "the file inputs/case.xml"),
        ("cannot open file system/controlDict", "input", "the file system/controlDict"),
        ("--> FOAM FATAL IO ERROR:\nkeyword deltaT is undefined", "input", "not read its input"),
        ("json.decoder.JSONDecodeError: Expecting value", "input", "not read its input"),
        ("step 7\nresidual nan\nabort", "diverged", "diverged"),
        ("Courant Number mean: 3 max: inf", "diverged", "diverged"),
    ],
)
def test_what_the_end_of_a_log_gives_away(log, kind, words):
    cause = cause_of(failed_command("solver", 1), log)

    assert cause.kind == kind
    assert words in cause.sentence


@pytest.mark.parametrize(
    "log",
    ["", "info: done", "banana inferno", "file.nan.txt 0.info", "nanometres: 3", "1.inf"],
)
def test_words_that_only_look_like_it_are_no_divergence(log):
    assert cause_of(failed_command("solver", 1), log).kind == "error"


def test_a_diverging_openfoam_run_names_step_and_knob():
    log = (
        "Courant Number mean: 0.1 max: 0.9\nTime = 0.2\n"
        "Courant Number mean: 3.1 max: 48.2\nTime = 0.2145\n"
        "[3] #1  Foam::sigFpe::sigHandler(int)\n"
    )

    cause = cause_of(failed_command("mpirun -np 4 interFoam -parallel", 136, "blockMesh"), log)

    assert cause.sentence == "interFoam diverged and was stopped by a floating-point exception."
    assert cause.detail == "Last step Time = 0.2145, Courant number max 48.2"
    assert "maxCo" in cause.step


def test_a_crash_is_no_divergence_whatever_stands_in_the_log():
    assert cause_of(failed_command("solver", 139), "x = nan").kind == "crash"


def test_the_last_line_with_an_error_is_the_detail():
    log = "Traceback\nValueError: h must be positive\nsolver failed at step 3\nbye"

    assert cause_of(failed_command("solver", 2), log).detail == "solver failed at step 3"


def test_a_log_says_nothing_about_a_task_that_ended_well():
    assert cause_of(TaskRecord(status="success", is_terminated=True), "nan error") is None


def test_a_heading_gives_way_to_the_line_below_it():
    log = "--> FOAM FATAL IO ERROR: (openfoam-2306)\nkeyword deltaT is undefined\n\nfile: x"

    cause = cause_of(failed_command("interFoam", 1), log)

    assert cause.detail == "keyword deltaT is undefined"


def test_frames_of_a_stack_are_no_line_of_an_error():
    log = "Segmentation fault: an error\n[3] #0  Foam::error::printStack()\n"

    cause = cause_of(failed_command("interFoam", 139), log)

    assert cause.detail == "Segmentation fault: an error"
