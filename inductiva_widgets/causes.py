"""Why a task ended badly: one plain sentence, further details, and the one sensible next step.

The tables below are the only place for these words; views, text cards and errors take them from
here. A cause is derived from the status, the exit code of the failed command and the end of the
log, in that order of trust, and claims nothing beyond them.
"""

from __future__ import annotations

import re
import signal
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from inductiva_widgets.formats import safe_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from inductiva_widgets.api.models import TaskRecord

__all__ = ["Cause", "cause_of"]

SIGNAL_BASE = 128  # a shell adds it to the signal that ended a command
LONGEST_LINE = 240
AGAIN = "Submit it again with `task.resubmit()`."


class Cause(msgspec.Struct, frozen=True):
    """Why a task ended badly.

    Attributes:
        kind: A short name for it, e.g. `diverged`, `memory`, `time-limit`.
        sentence: One plain sentence.
        detail: What else the service or the log says; may be empty.
        step: The one sensible next step; may be empty.
    """

    kind: str
    sentence: str
    detail: str = ""
    step: str = ""


_BY_STATUS: dict[str, Cause] = {
    "killed": Cause("killed", "The task was killed.", step=AGAIN),
    "ttl-exceeded": Cause(
        "time-limit",
        "The task reached its time limit and was stopped.",
        step="Submit it again with a longer time limit: `task.resubmit(time_to_live_s=…)`.",
    ),
    "executer-terminated": Cause(
        "machine-lost", "Its machine was terminated while the task ran.", step=AGAIN
    ),
    "executer-terminated-by-user": Cause(
        "machine-ended",
        "Its machine was terminated by the user.",
        step="Start a machine group and submit the task again.",
    ),
    "executer-terminated-ttl-exceeded": Cause(
        "machine-limit",
        "Its machine reached its own time limit and was terminated.",
        step="Submit the task again on a machine group with a longer time limit.",
    ),
    "executer-terminated-credits-exhausted": Cause(
        "credits",
        "The credits of the account ran out, so its machine was terminated.",
        step="Add credits, then submit the task again.",
    ),
    "spot-instance-preempted": Cause(
        "spot",
        "The provider took its spot machine back.",
        step="Submit it again, with `resubmit_on_preemption=True` or on a regular machine.",
    ),
    "zombie": Cause(
        "machine-gone",
        "Its machine was terminated while the task was in the queue.",
        step="Submit the task again on a running machine group.",
    ),
}

# Signal → what it did to the command, and what to do about it.
_BY_SIGNAL: dict[int, Cause] = {
    4: Cause(
        "crash",
        "{program} crashed: it uses an instruction that the processor does not have.",
        step="Use an image built for this machine type, or another machine type.",
    ),
    6: Cause("crash", "{program} aborted.", step="{log}"),
    7: Cause("crash", "{program} crashed with a bus error.", step="{log}"),
    8: Cause(
        "diverged",
        "{program} was stopped by a floating-point exception.",
        step="Use a smaller time step or a better mesh, then submit again.",
    ),
    9: Cause(
        "memory",
        "{program} was killed, most likely because the machine ran out of memory.",
        step="Use a machine with more memory, or run a smaller case.",
    ),
    11: Cause("crash", "{program} crashed (segmentation fault).", step="{log}"),
    15: Cause("stopped", "{program} was terminated from outside.", step=AGAIN),
    24: Cause(
        "time-limit", "{program} reached its limit of processor time.", step="Run a smaller case."
    ),
}
_BY_CODE: dict[int, Cause] = {
    126: Cause(
        "not-executable",
        "{program} cannot be executed (exit code 126).",
        step="Make it executable, or start it with its interpreter.",
    ),
    127: Cause(
        "not-found",
        "The command {program} was not found (exit code 127).",
        step="Check its spelling, and that the image has it.",
    ),
}
_LOOK = "Look at the first error in the log."
_CORRECT = "Correct what it names, then submit the task again."


class _Clue(NamedTuple):
    """A line of a log that shows the cause; `{0}` stands for what the pattern caught."""

    pattern: re.Pattern[str]
    cause: Cause


def _clue(kind: str, pattern: str, sentence: str, step: str) -> _Clue:
    return _Clue(re.compile(pattern, re.IGNORECASE), Cause(kind, sentence, step=step))


_ADD_LIBRARY = "Use an image that has it, then submit again."
# The first match counts: certain causes stand before likely ones.
_BY_LOG: tuple[_Clue, ...] = (
    _clue(
        "library",
        r"error while loading shared libraries: ([^\s:]+)"
        r"|([\w.+-]+\.so[\w.]*): cannot open shared object file",
        "{program} could not run: the library {0} is missing.",
        _ADD_LIBRARY,
    ),
    _clue(
        "library",
        r"(?:ModuleNotFoundError|ImportError): No module named '?([\w.]+)",
        "{program} stopped: the Python module {0} is missing.",
        _ADD_LIBRARY,
    ),
    _clue(
        "memory",
        r"(out of memory|oom-kill|std::bad_alloc|cannot allocate memory|\bMemoryError\b)",
        "{program} ran out of memory.",
        "Use a machine with more memory, or run a smaller case.",
    ),
    _clue(
        "disk",
        r"(no space left on device|disk quota exceeded)",
        "The disk of the machine was full.",
        "Use a machine group with a larger disk, or write less output.",
    ),
    _clue(
        "input",
        r"(?:can(?:not|'t) (?:open|find)(?: the)?(?: file)?|FileNotFoundError[^'\"\n]*)"
        r"\W+([\w./-]*\w)|(?m:^)[^\n]*?([\w./-]+)['\"]?: No such file or directory",
        "{program} did not find the file {0}.",
        "Add it to the inputs, or correct its name, then submit again.",
    ),
    _clue(
        "input",
        r"(FOAM FATAL IO ERROR|SyntaxError|JSONDecodeError|parse error|syntax error"
        r"|unknown keyword|invalid (?:input|argument|value|option)|unrecognized arguments"
        r"|input error|bad input)",
        "{program} could not read its input.",
        "Correct the input, then submit again.",
    ),
    _clue("input", r"(FOAM FATAL ERROR)", "{program} stopped with a fatal error.", _LOOK),
)
_NOT_A_NUMBER = re.compile(r"(?<![\w.])[-+]?(?:nan|inf|infinity)(?![\w.])|sigFpe", re.IGNORECASE)
_OPENFOAM_TIME = re.compile(r"^Time = (\S+?)s?$", re.MULTILINE)
_OPENFOAM_COURANT = re.compile(r"^Courant Number mean: \S+ max: (\S+)", re.MULTILINE)
_ERROR_LINE = re.compile(r"error|exception|fatal|abort|cannot|failed", re.IGNORECASE)
_STACK_FRAME = re.compile(r"(?:\[\d+\]\s*)?#\d+\s")
# The error itself is on the next line.
_HEADING = re.compile(r"(?:\[\d+\]\s*)?(?:-->\s*)?FOAM FATAL(?: IO)? ERROR:?\s*(?:\(.*\))?")


def cause_of(record: TaskRecord, log: str = "") -> Cause | None:
    """Why the task ended badly; `None` while it runs, and after success.

    Args:
        record: With its history, which holds the exit codes of the commands.
        log: The end of its stdout and stderr, as far as known.
    """
    if not record.is_terminated or record.status == "success":
        return None
    reason = safe_text((record.reason or "").strip(), 600)
    by_status = _BY_STATUS.get(record.status)
    if by_status is not None:
        step = by_status.step
        if record.status == "spot-instance-preempted" and record.resubmit_on_preemption:
            step = "The service submits it again by itself."
        return msgspec.structs.replace(by_status, detail=reason, step=step)
    command, code = _failed_command(record)
    if command is None:
        return _without_command(record, reason, log)
    return _of_command(_program(command), code, log, reason)


def _of_command(program: str, code: int | None, log: str, reason: str) -> Cause:
    number = _signal_of(code)
    # A missing library also ends in 127, and a full memory in an abort: the log knows more.
    by_log = _diverged(program, number, log) or _by_log(program, log)
    if by_log is not None:
        return by_log
    if number is not None:
        return _by_signal(program, number, log)
    by_code = _BY_CODE.get(code or 0)
    if by_code is not None:
        sentence = by_code.sentence.format(program=program)
        return Cause(by_code.kind, sentence, "", by_code.step)
    if code is None:
        return Cause("error", f"{program} failed.", _error_line(log) or reason, _LOOK)
    return Cause("error", f"{program} ended with exit code {code}.", _error_line(log), _LOOK)


def _without_command(record: TaskRecord, reason: str, log: str) -> Cause:
    """A failure before, after or outside the commands: the machine's own words."""
    by_log = _by_log("The task", log)
    if by_log is not None and not reason:
        return by_log
    if record.status == "executer-failed":
        return Cause("machine", "The machine could not run the task.", reason, AGAIN)
    if record.status == "failed":
        has_log = bool(log) or record.computation_start_time is not None
        if reason:
            return Cause("told", reason, "", _LOOK if has_log else _CORRECT)
        step = _LOOK if has_log else AGAIN
        return Cause("error", "The task failed, and the service does not say why.", "", step)
    return Cause("other", f"The task ended as {safe_text(record.alias, 80)}.", reason)


def _diverged(program: str, number: int | None, log: str) -> Cause | None:
    """Values that are not numbers: the solution diverged, whatever ended the program then."""
    if not log or _NOT_A_NUMBER.search(log) is None:
        return None
    if number not in (None, signal.SIGFPE, signal.SIGABRT):
        return None
    sentence = f"{program} diverged: its values are no longer numbers (NaN)."
    if number == signal.SIGFPE:
        sentence = f"{program} diverged and was stopped by a floating-point exception."
    courant = _last(_OPENFOAM_COURANT, log)
    step = "Use a smaller time step or a better mesh, then submit again."
    if courant is not None:
        step = "Lower `maxCo` or `deltaT` in `system/controlDict`, then submit again."
    facts = [
        text
        for text in (
            _worded("last step Time = {}", _last(_OPENFOAM_TIME, log)),
            _worded("Courant number max {}", courant),
        )
        if text
    ]
    detail = ", ".join(facts)
    return Cause("diverged", sentence, detail[:1].upper() + detail[1:], step)


def _by_log(program: str, log: str) -> Cause | None:
    for pattern, cause in _BY_LOG:
        found = pattern.search(log)
        if found is None:
            continue
        caught = next((group for group in found.groups() if group), "")
        sentence = cause.sentence.format(safe_text(caught, 120), program=program)
        line = _line_around(log, found.start())
        return Cause(cause.kind, sentence, line, cause.step)
    return None


def _by_signal(program: str, number: int, log: str) -> Cause:
    cause = _BY_SIGNAL.get(number)
    if cause is None:
        return Cause("crash", f"{program} was ended by signal {number}.", _error_line(log), _LOOK)
    return Cause(
        cause.kind,
        cause.sentence.format(program=program),
        _error_line(log),
        cause.step.format(log=_LOOK),
    )


def _failed_command(record: TaskRecord) -> tuple[str | None, int | None]:
    """The command that failed last, with its exit code if known."""
    for change in reversed(record.status_history):
        for operation in reversed(change.operations):
            command = operation.attributes.get("command")
            code = operation.attributes.get("exit_code")
            code = code if type(code) is int else None
            if command and (code not in (None, 0) or operation.status == "FAILED"):
                words: Any = command if isinstance(command, list) else str(command).split()
                return " ".join(map(str, words)), code
    return None, None


_INTERPRETER = re.compile(r"(?:python|bash|sh|perl|julia|octave|Rscript|ruby|node)[\d.]*")
_STARTERS = frozenset({"mpirun", "mpiexec", "srun", "runApplication"})


def _program(command: str) -> str:
    """`interFoam` of `mpirun -np 4 interFoam -parallel`; `python run.py` stays whole."""
    words = command.split()
    if words and words[0].rpartition("/")[2] in _STARTERS:
        words.pop(0)
        while words and words[0].startswith("-"):
            words.pop(0)
            if words and words[0].isdigit():
                words.pop(0)
    if not words:
        return safe_text(command, 60) or "The command"
    name = words[0].rpartition("/")[2] or words[0]
    # The name of an interpreter says nothing, that of its script does.
    script = words[1] if _INTERPRETER.fullmatch(name) and len(words) > 1 else ""
    return safe_text(name if script.startswith("-") else f"{name} {script}".strip(), 60)


def _signal_of(code: int | None) -> int | None:
    """Number of the signal in an exit code: above 128 as in a shell, or negative as in Python."""
    if code is None:
        return None
    number = -code if code < 0 else code - SIGNAL_BASE
    return number if 0 < number <= 64 else None


def _error_line(log: str) -> str:
    """The last line that mentions an error."""
    lines = _lines(log)
    candidates = (line for line in reversed(lines) if _ERROR_LINE.search(line))
    return next((line for line in candidates if _STACK_FRAME.match(line) is None), "")


def _lines(log: str) -> list[str]:
    return [safe_text(line.strip(), LONGEST_LINE) for line in log.splitlines() if line.strip()]


def _line_around(log: str, at: int) -> str:
    # A pattern may begin at the line break before what it found.
    lines = _lines(log[log.rfind("\n", 0, at) + 1 :])
    return next((line for line in lines if _HEADING.fullmatch(line) is None), "".join(lines[:1]))


def _last(pattern: re.Pattern[str], log: str) -> str | None:
    found: Iterable[str] = pattern.findall(log)
    return next(reversed(list(found)), None)


def _worded(words: str, value: str | None) -> str:
    return "" if value is None else words.format(safe_text(value, 40))
