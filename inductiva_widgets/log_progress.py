"""The progress of a simulation in its own time, read from its log. Pure; patterns can be added.

Nothing is guessed: without a pattern no progress, without an end no time left.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import deque
from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import TYPE_CHECKING

from inductiva_widgets.errors import UserInputError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LogProgress", "Pattern", "Progress", "add_pattern", "patterns"]

LONGEST_LOOK = 1 << 18  # letters of one batch: what counts is how far it is now
RATE_WINDOW_S = 120.0  # a solver's speed changes
SHORTEST_RATE_S = 5.0


@dataclass(frozen=True, slots=True)
class Pattern:
    """How progress is read from the log of a simulator. Expressions are searched line by line.

    Attributes:
        name: Of the simulator.
        value: Expression whose groups are numbers: how far it is.
        unit: What the numbers count: `s`, `steps`, `%`.
        weights: What each group is worth in the unit: days and hours are `(24.0, 1.0)` in hours.
        end: How far it will go, when that is always the same.
        end_in_log: Expression whose group is how far it will go.
        end_in_inputs: Names of input files that hold it, as patterns, and the function that finds
            it in the text of one: `None` when it is not clear.
        opens: Values count after a line of this kind. Without `must_open` also until the first
            line that `closes`: the log may be followed from its middle.
        closes: Values after a line of this kind are those of another program.
    """

    name: str
    value: str
    unit: str
    weights: tuple[float, ...] = (1.0,)
    end: float | None = None
    end_in_log: str = ""
    end_in_inputs: tuple[tuple[str, ...], Callable[[str], float | None]] | None = None
    opens: str = ""
    closes: str = ""
    must_open: bool = False

    def is_end_in(self, input_name: str) -> bool:
        """Whether an input file of this name says how far it will go."""
        names = self.end_in_inputs[0] if self.end_in_inputs else ()
        return any(fnmatch(input_name, name) for name in names)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a simulation is: `value` of `end`, both in the `unit`.

    Attributes:
        end: `None` when it is unknown.
        seconds_left: At the speed of the last two minutes; `None` when that is not known yet.
    """

    pattern: str
    value: float
    end: float | None
    unit: str
    seconds_left: float | None


def openfoam_end(control: str) -> float | None:
    """`endTime` of a `controlDict`, in s, unless the run stops otherwise."""
    control = re.sub(r"/\*.*?\*/|//[^\n]*", "", control, flags=re.DOTALL)
    stop = re.search(r"^\s*stopAt\s+(\w+)\s*;", control, re.MULTILINE)
    if stop is not None and stop[1] != "endTime":
        return None
    found = re.findall(r"^\s*endTime\s+([^\s;]+)\s*;", control, re.MULTILINE)
    return _number(found[-1]) if found else None


def lammps_end(script: str) -> float | None:
    """Steps of all `run` commands of an input script, if all of them are plain numbers."""
    script = re.sub(r"#[^\n]*", "", script)
    if re.search(r"^\s*(?:reset_timestep|minimize|jump|include|rerun)\b", script, re.MULTILINE):
        return None
    runs: list[str] = re.findall(r"^\s*run[ \t]+(.*?)[ \t]*$", script, re.MULTILINE)
    if not runs or not all(run.isascii() and run.isdigit() for run in runs):
        return None
    return float(sum(map(int, runs)))


def swmm_end(model: str) -> float | None:
    """Hours between start and end of a SWMM model's options."""
    found = dict(re.findall(r"^\s*((?:START|END)_(?:DATE|TIME))\s+(\S+)", model, re.MULTILINE))
    begin, end = (_swmm_moment(found, which) for which in ("START", "END"))
    return None if begin is None or end is None else (end - begin).total_seconds() / 3600


def _swmm_moment(options: dict[str, str], which: str) -> dt.datetime | None:
    time = options.get(f"{which}_TIME", "00:00:00")
    text = f"{options.get(f'{which}_DATE', '')} {time if time.count(':') > 1 else time + ':00'}"
    try:
        return dt.datetime.strptime(text, "%m/%d/%Y %H:%M:%S").replace(tzinfo=dt.timezone.utc)
    except ValueError:
        return None


_NUMBER = r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"

# The table: what logs of real runs hold. SPlisHSPlasH is not in it, as it writes no times.
_patterns: list[Pattern] = [
    Pattern(
        name="OpenFOAM",
        value=rf"^Time = {_NUMBER}s?$",
        unit="s",
        end_in_inputs=(("*system/controlDict",), openfoam_end),
        opens=r"^Starting time loop",
        closes=r"^End$",  # then `reconstructPar` counts the same times again
    ),
    Pattern(
        name="LAMMPS",
        value=r"^ *(\d+)(?: +[-+\d.eE]+)+ *$",
        unit="steps",
        end_in_inputs=(("in.*", "*/in.*", "*.in", "*.lmp", "*.lammps"), lammps_end),
        opens=r"^ *Step +\w",
        closes=r"^Loop time of ",
        must_open=True,  # rows of numbers are in many logs
    ),
    Pattern(
        name="SWMM",
        value=r"(\d+) {1,5}hour: {1,2}(\d+)",
        unit="h",
        weights=(24.0, 1.0),
        end_in_inputs=(("*.inp",), swmm_end),
        opens=r"o +Simulating day:",
        closes=r"Simulation complete|^ *o +Writing output report",
    ),
    Pattern(
        name="percent",
        value=rf"{_NUMBER} ?% (?:complete|completed|done)\b",
        unit="%",
        end=100.0,
    ),
    Pattern(  # the example that comes with this package
        name="dam break",
        value=r"^time [\d.]+ s  (\d+) %",
        unit="%",
        end=100.0,
    ),
]


def patterns() -> tuple[Pattern, ...]:
    """All patterns, in the order in which they are tried."""
    return tuple(_patterns)


def add_pattern(pattern: Pattern) -> None:
    """Adds a pattern for another log to the views of this process. It is tried first.

    A pattern of the same name is replaced. The side panel is served by the Jupyter server, so
    there it takes a call in that process.

    Raises:
        UserInputError: An expression cannot be read, `value` has not one group for each weight, or
            `end_in_log` has none.
    """
    try:
        groups = re.compile(pattern.value).groups
        end_groups = re.compile(pattern.end_in_log).groups
        for expression in (pattern.opens, pattern.closes):
            re.compile(expression)
    except re.error as error:
        raise UserInputError(f"The pattern {pattern.name!r} cannot be read: {error}.") from None
    if groups != len(pattern.weights):
        raise UserInputError(
            f"The pattern {pattern.name!r} has {groups} groups for {len(pattern.weights)} weights.",
            hint="Each group of `value` is a number, and `weights` says what it is worth.",
        )
    if pattern.end_in_log and not end_groups:
        raise UserInputError(
            f"The pattern {pattern.name!r} has no group in `end_in_log`.",
            hint="Put the number in parentheses: end_in_log=r'steps: (\\d+)'.",
        )
    _patterns[:] = [pattern, *(known for known in _patterns if known.name != pattern.name)]


class LogProgress:
    """Reads a log as it grows. Not thread-safe.

    Attributes:
        pattern: What fits the log; `None` as long as nothing does.
        end: How far it will go; may be set by who knows the inputs.
    """

    def __init__(self) -> None:
        self._readers = [_Reader(pattern) for pattern in _patterns]
        self._seen: deque[tuple[float, float]] = deque()
        self._value: float | None = None
        self.pattern: Pattern | None = None
        self.end: float | None = None

    def feed(self, text: str, now_s: float) -> None:
        """Takes whole lines; `now_s` is any clock that does not jump."""
        text = text[-LONGEST_LOOK:]
        for reader in self._readers:
            reader.read(text)
            if reader.value is not None:
                self._readers = [reader]  # a log is that of one simulator
                self._take(reader, now_s)
                return
        self._value = None

    @property
    def current(self) -> Progress | None:
        """How far it is now."""
        if self.pattern is None or self._value is None:
            return None
        end = self.end if self.end is None or self.end >= self._value else None
        return Progress(
            self.pattern.name, self._value, end, self.pattern.unit, self._seconds_left(end)
        )

    def _take(self, reader: _Reader, now_s: float) -> None:
        value = reader.value
        self.pattern = reader.pattern
        self.end = reader.end if reader.end is not None else self.end
        if self._value is not None and value is not None and value < self._value:
            self._seen.clear()  # another run
        self._value = value
        if value is None or (self._seen and self._seen[-1][1] == value):
            return
        self._seen.append((now_s, value))
        while now_s - self._seen[0][0] > RATE_WINDOW_S and len(self._seen) > 2:
            self._seen.popleft()

    def _seconds_left(self, end: float | None) -> float | None:
        if end is None or not self._seen:
            return None
        (began_s, first), (now_s, last) = self._seen[0], self._seen[-1]
        if now_s - began_s < SHORTEST_RATE_S:
            return None
        return (end - last) * (now_s - began_s) / (last - first)


@dataclass(slots=True)
class _Reader:
    """One pattern on its way through a log."""

    pattern: Pattern
    value: float | None = None
    end: float | None = None
    is_open: bool = field(init=False)

    def __post_init__(self) -> None:
        self.end = self.pattern.end
        self.is_open = not self.pattern.must_open

    def read(self, text: str) -> None:
        pattern = self.pattern
        opened, closed = _last(pattern.opens, text), _last(pattern.closes, text)
        if opened is not None or closed is not None:
            starts = [-1 if found is None else found.end() for found in (opened, closed)]
            self.is_open = starts[0] > starts[1]
            self.value = None
            text = text[max(starts) :]
        if not self.is_open:
            return
        end = _last(pattern.end_in_log, text)
        if end is not None:
            self.end = _number(end[1])
        found = _last(pattern.value, text)
        if found is not None:
            numbers = [_number(group) for group in found.groups()]
            self.value = _sum(numbers, pattern.weights)


def _sum(numbers: list[float | None], weights: tuple[float, ...]) -> float | None:
    known = [number for number in numbers if number is not None]
    if len(known) != len(weights):
        return None
    return sum(number * weight for number, weight in zip(known, weights, strict=True))


def _last(expression: str, text: str) -> re.Match[str] | None:
    found = None
    if expression:
        for found in re.finditer(expression, text, re.MULTILINE):  # noqa: B007 - the last one
            pass
    return found


def _number(text: str | None) -> float | None:
    if text is None:  # a group that took no part in the match
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) < float("inf") else None
