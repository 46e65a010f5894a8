"""Why a task ended badly: one plain sentence, what else is known, and the one sensible next step.

The tables below are the only place for these words; views, text cards and errors take them from
here. A cause is read off the status, the exit code of the command that failed, and the end of the
log, in that order of trust, and says nothing that none of them tells.
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

SIGNAL_BASE = 128  # exit code of a command that a signal ended, as a shell tells it
LONGEST_LINE = 240
AGAIN = "Submit it again with `task.resubmit()`."


class Cause(msgspec.Struct, frozen=True):
    """Why a task ended badly.

    Attributes:
        kind: A short name for it, e.g. `diverged`, `memory`, `time-limit`.
        sentence: One plain sentence.
        detail: What else the service or the log tells; may be empty.
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
        "machine-lost", "Its machine was terminated while the task was on it.", step=AGAIN
    ),
    "executer-terminated-by-user": Cause(
        "machine-ended",
        "Its machine was terminated by the user.",
        step="Start a machine group and submit the task again.",
    ),
    "executer-terminated-ttl-exceeded": Cause(
        "machine-limit",
        "Its machine reached the end of its own time and was terminated.",
        step="Submit the task again on a machine group with a longer life.",
    ),
    "executer-terminated-credits-exhausted": Cause(
        "credits",
        "The credits of the account ran out, so its machine was terminated.",
        step="Add credits, then submit the task again.",
    ),
    "spot-instance-preempted": Cause(
        "spot",
        "The provider took its spot machine back.",
        step="Submit it again, with `resubmit_on_preemption=True` or on a machine that is no spot.",
    ),
    "zombie": Cause(
        "machine-gone",
        "Its machine was terminated while the task was in the queue.",
        step="Submit the task again on a machine group that runs.",
    ),
}

# Signal → what it did to the command, and what to do. Kinds of their own where the step differs.
_BY_SIGNAL: dict[int, Cause] = {
    4: Cause(
        "crash",
        "{program} crashed: the processor does not know one of its instructions.",
        step="Use an image or a machine type that fits the other.",
    ),
    6: Cause("crash", "{program} gave up (abort).", step="{log}"),
    7: Cause("crash", "{program} crashed by a bus error.", step="{log}"),
    8: Cause(
        "diverged",
        "{program} was stopped by a floating-point exception.",
        step="Take a smaller time step or a better mesh, then submit again.",
    ),
    9: Cause(
        "memory",
        "{program} was killed from outside, most likely because the memory ran out.",
        step="Take a machine with more memory, or a smaller case.",
    ),
    11: Cause("crash", "{program} crashed (segmentation fault).", step="{log}"),
    15: Cause("stopped", "{program} was asked to end from outside.", step=AGAIN),
    24: Cause("time-limit", "{program} used up its processor time.", step="Take a smaller case."),
}
_BY_CODE: dict[int, Cause] = {
    126: Cause(
        "not-executable",
        "{program} may not be executed (exit code 126).",
        step="Make it executable, or start it with its interpreter.",
    ),
    127: Cause(
        "not-found",
        "The command {program} was not found (exit code 127).",
        step="Check its spelling, and that the image has it.",
    ),
}
_LOOK = "Look at the log where the first error stands."


class _Told(NamedTuple):
    """What a line of the log gives away; `{0}` is what the pattern caught."""

    pattern: re.Pattern[str]
    cause: Cause


def _told(kind: str, pattern: str, sentence: str, step: str) -> _Told:
    return _Told(re.compile(pattern, re.IGNORECASE), Cause(kind, sentence, step=step))


_ADD_LIBRARY = "Use an image that has it, then submit again."
# The first that matches counts: what is certain stands before what is likely.
_BY_LOG: tuple[_Told, ...] = (
    _told(
        "library",
        r"error while loading shared libraries: ([^\s:]+)"
        r"|([\w.+-]+\.so[\w.]*): cannot open shared object file",
        "{program} could not run: the library {0} is missing.",
        _ADD_LIBRARY,
    ),
    _told(
        "library",
        r"(?:ModuleNotFoundError|ImportError): No module named '?([\w.]+)",
        "{program} stopped: the Python module {0} is missing.",
        _ADD_LIBRARY,
    ),
    _told(
        "memory",
        r"(out of memory|oom-kill|std::bad_alloc|cannot allocate memory|\bMemoryError\b)",
        "{program} ran out of memory.",
        "Take a machine with more memory, or a smaller case.",
    ),
    _told(
        "disk",
        r"(no space left on device|disk quota exceeded)",
        "The disk of the machine was full.",
        "Take a machine group with a larger disk, or write less.",
    ),
    _told(
        "input",
        r"(?:can(?:not|'t) (?:open|find)(?: the)?(?: file)?|FileNotFoundError[^'\"\n]*)"
        r"\W+([\w./-]*\w)|(?m:^)[^\n]*?([\w./-]+)['\"]?: No such file or directory",
        "{program} did not find the file {0}.",
        "Add it to the inputs, or correct its name, then submit again.",
    ),
    _told(
        "input",
        r"(FOAM FATAL IO ERROR|SyntaxError|JSONDecodeError|parse error|syntax error"
        r"|unknown keyword|invalid (?:input|argument|value|option)|unrecognized arguments"
        r"|input error|bad input)",
        "{program} could not read its input.",
        "Correct the input, then submit again.",
    ),
    _told("input", r"(FOAM FATAL ERROR)", "{program} stopped with a fatal error.", _LOOK),
)
_NOT_A_NUMBER = re.compile(r"(?<![\w.])[-+]?(?:nan|inf|infinity)(?![\w.])|sigFpe", re.IGNORECASE)
_OPENFOAM_TIME = re.compile(r"^Time = (\S+?)s?$", re.MULTILINE)
_OPENFOAM_COURANT = re.compile(r"^Courant Number mean: \S+ max: (\S+)", re.MULTILINE)
_ERROR_LINE = re.compile(r"error|exception|fatal|abort|cannot|failed", re.IGNORECASE)
_STACK_FRAME = re.compile(r"(?:\[\d+\]\s*)?#\d+\s")
# What is wrong stands below it.
_HEADING = re.compile(r"(?:\[\d+\]\s*)?(?:-->\s*)?FOAM FATAL(?: IO)? ERROR:?\s*(?:\(.*\))?")


def cause_of(record: TaskRecord, log: str = "") -> Cause | None:
    """Why the task ended badly; `None` while it runs, and after success.

    Args:
        record: With its history, which tells the exit codes of the commands.
        log: The end of its stdout and stderr, as far as known.
    """
    if not record.is_terminated or record.status == "success":
        return None
    told = _error_detail(record)
    by_status = _BY_STATUS.get(record.status)
    if by_status is not None:
        step = by_status.step
        if record.status == "spot-instance-preempted" and record.resubmit_on_preemption:
            step = "The service submits it again by itself."
        return msgspec.structs.replace(by_status, detail=told, step=step)
    command, code = _failed_command(record)
    if command is None:
        return _without_command(record, told, log)
    return _of_command(_program(command), code, log, told)


def _of_command(program: str, code: int | None, log: str, told: str) -> Cause:
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
        return Cause("error", f"{program} failed.", _error_line(log) or told, _LOOK)
    return Cause("error", f"{program} ended with exit code {code}.", _error_line(log), _LOOK)


def _without_command(record: TaskRecord, told: str, log: str) -> Cause:
    """A failure before, after or outside the commands: the machine's own words."""
    by_log = _by_log("The task", log)
    if by_log is not None and not told:
        return by_log
    if record.status == "executer-failed":
        return Cause("machine", "The machine could not carry the task through.", told, AGAIN)
    if record.status == "failed":
        if told:
            return Cause("told", told, "", _LOOK)
        return Cause("error", "The task failed, and the service does not say why.", "", _LOOK)
    return Cause("other", f"The task ended as {safe_text(record.alias, 80)}.", told)


def _diverged(program: str, number: int | None, log: str) -> Cause | None:
    """Values that are no numbers: the solution ran away, whatever ended the program then."""
    if not log or _NOT_A_NUMBER.search(log) is None:
        return None
    if number not in (None, signal.SIGFPE, signal.SIGABRT):
        return None
    sentence = f"{program} diverged: its values are no numbers any more (NaN)."
    if number == signal.SIGFPE:
        sentence = f"{program} diverged and was stopped by a floating-point exception."
    courant = _last(_OPENFOAM_COURANT, log)
    step = "Take a smaller time step or a better mesh, then submit again."
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
    """The command that failed last, with its exit code if that is told."""
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
    # An interpreter alone says nothing: its script does.
    script = words[1] if _INTERPRETER.fullmatch(name) and len(words) > 1 else ""
    return safe_text(name if script.startswith("-") else f"{name} {script}".strip(), 60)


def _signal_of(code: int | None) -> int | None:
    """Number of the signal in an exit code: as a shell tells it, or negative as Python does."""
    if code is None:
        return None
    number = -code if code < 0 else code - SIGNAL_BASE
    return number if 0 < number <= 64 else None


def _error_detail(record: TaskRecord) -> str:
    told = record.error_detail or (record.executer.error_detail if record.executer else None)
    return safe_text(told.strip(), 600) if told else ""


def _error_line(log: str) -> str:
    """The last line that speaks of an error."""
    lines = _lines(log)
    speaking = (line for line in reversed(lines) if _ERROR_LINE.search(line))
    return next((line for line in speaking if _STACK_FRAME.match(line) is None), "")


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
