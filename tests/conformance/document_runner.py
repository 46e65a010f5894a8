"""The official pages as code that runs, and what they print as columns, units and order.

*Manage tasks* and *Task management* lie in `documents/`, byte for byte. Their code blocks become
steps; a substitution table puts our words for theirs, each exactly as often as it says. What a
document shows and what we print become features (`columns`, `sizes`, …): a feature that differs is
a difference, and `DEVIATIONS` lists every one with its reason.
"""

from __future__ import annotations

import ast
import doctest
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCUMENTS = Path(__file__).resolve().parent / "documents"
MANAGE = "manage-tasks"
MANAGEMENT = "task-management"
LITERAL_ID = "i4ir3kvv62odsfrhko4y8w2an"
SHOWN = "# Console logs:"


# -- the blocks and their steps ------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """One statement or command; `want` is what the document shows after it, if it shows anything.

    `is_silent`: nothing shown means that nothing is printed, as behind a prompt.
    """

    source: str
    want: str = ""
    is_silent: bool = False

    @property
    def name(self) -> str:
        return self.source.splitlines()[0].strip()


@dataclass(frozen=True)
class Block:
    """One code block of a document: its number there from 0, its first line, its language."""

    document: str
    number: int
    line: int
    language: str
    text: str

    @property
    def kind(self) -> str:
        if self.language == "bash":
            return "terminal"
        return "prompt" if ">>> " in self.text else "script"

    def steps(self, values: dict[str, str]) -> list[Step]:
        """What to run, with our words put in; `values` are ids of real tasks."""
        text = self.text
        for one in SUBSTITUTIONS:
            if (one.document, one.block) == (self.document, self.number):
                text = one.apply(text, values)
        kinds = {"terminal": _commands, "prompt": _prompts, "script": _statements}
        return list(kinds[self.kind](text))


def blocks(document: str) -> list[Block]:
    """The code blocks of a document, in order."""
    text = (DOCUMENTS / f"{document}.txt").read_text(encoding="utf-8")
    fences = re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [
        Block(document, number, text[: found.start()].count("\n") + 1, found[1], found[2])
        for number, found in enumerate(fences)
    ]


def _prompts(text: str) -> Iterator[Step]:
    """Statements behind `>>>`; what follows until an empty line is what they show."""
    for example in doctest.DocTestParser().get_examples(text):
        yield Step(example.source, example.want, is_silent=True)


def _statements(text: str) -> Iterator[Step]:
    """Statements of a script; comments under `# Console logs:` are what they print."""
    lines = text.splitlines()
    for node in ast.parse(text).body:
        assert node.end_lineno is not None
        source = "\n".join(lines[node.lineno - 1 : node.end_lineno])
        comments = []
        for line in lines[node.end_lineno :]:
            if not line.startswith("#"):
                break
            comments.append(line)
        shown = comments[1:] if comments[:1] == [SHOWN] else []
        want = "\n".join(line.removeprefix("#").removeprefix(" ") for line in shown)
        yield Step(source, want.strip("\n"))


def _commands(text: str) -> Iterator[Step]:
    """Commands behind `$`, and the screen after them."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, screen = part.partition("\n")
        yield Step(command, screen, is_silent=True)


# -- our words for theirs ------------------------------------------------------------------------


@dataclass(frozen=True)
class Substitution:
    """Words of one block that are replaced before it runs, and how often they stand there."""

    document: str
    block: int
    old: str
    new: str
    times: int
    reason: str

    def apply(self, text: str, values: dict[str, str]) -> str:
        count = text.count(self.old)
        assert count == self.times, f"{self.old!r} stands there {count} times, not {self.times}"
        return text.replace(self.old, self.new.format(**values))


REAL_ID = "the id of a task that exists here"
PROMPT = "Python's prompt for lines that go on, which the document leaves out"
IMPORT = "another package, so that both can be installed and imported beside each other"
SCENARIO = "scenarios are gone from the service; `submit()` of the test is `tasks.submit(…)`"

SUBSTITUTIONS = [
    Substitution(
        MANAGE,
        0,
        f'# task = Task("{LITERAL_ID}")',
        '>>> task = Task("{done}")',
        1,
        f"of the two ways that the comment offers, the second; {REAL_ID}",
    ),
    Substitution(MANAGE, 1, LITERAL_ID, "{running}", 1, REAL_ID),
    Substitution(MANAGE, 1, "with tak.", "with task.", 1, "a slip of the document"),
    Substitution(MANAGE, 1, "\n        task.wait()", "\n...     task.wait()", 1, PROMPT),
    Substitution(MANAGE, 1, "\n                     #", "\n...                  #", 2, PROMPT),
    Substitution(
        MANAGE,
        2,
        "$ inductiva ",
        "$ inductiva-widgets ",
        1,
        "the command's name: `inductiva` is the official client's, and stays so",
    ),
    Substitution(MANAGE, 2, LITERAL_ID, "{other}", 3, REAL_ID),
    Substitution(MANAGEMENT, 0, "scenario.simulate(..., run_async=True)", "submit()", 1, SCENARIO),
    Substitution(MANAGEMENT, 1, "scenario.simulate(..., run_async=True)", "submit()", 1, SCENARIO),
    *(
        Substitution(
            MANAGEMENT,
            block,
            "import inductiva\n",
            "import inductiva_widgets as inductiva\n",
            1,
            IMPORT,
        )
        for block in (2, 3)
    ),
]


# -- what is shown, as features ------------------------------------------------------------------

SIZE = r"(?:\d+ B|\d+\.\d\d [KMGTP]i?B)"
ELIDED = "..."
BINARY, DECIMAL = "KiB, MiB, GiB (powers of 1024)", "KB, MB, GB (powers of 1000)"
CLOCK = r"\d\d:\d\d"


def output_table(text: str) -> dict[str, str]:
    """Features of `Archive size: …` with its table."""
    first, second, header, *rows = text.splitlines()
    rows = [row for row in rows if row.strip() != ELIDED]
    starts = [found.start() for found in re.finditer(r"\S+", header)]
    cells = [
        [row[a:b].rstrip() for a, b in zip(starts, [*starts[1:], None], strict=True)]
        for row in rows
    ]
    sizes = [first.removeprefix("Archive size: "), *(size for row in cells for size in row[:2])]
    fits = all(re.fullmatch(SIZE, size) for size in sizes)
    begins = all(not row[: starts[0]].strip() for row in rows)
    return {
        "heading": " / ".join([re.sub(SIZE, "SIZE", first), second]),
        "columns": ", ".join(header.split()),
        "column starts": ", ".join(str(start - starts[0]) for start in starts),
        "indent": str(starts[0]),
        "rows": "aligned left" if begins and all(map(all, cells)) else "not aligned",
        "numbers": "bytes whole, others with two decimals" if fits else ", ".join(sizes),
        "sizes": BINARY if any("iB" in size for size in sizes) else DECIMAL,
    }


def table_sizes(text: str) -> dict[str, str]:
    """Name → size as printed; an elided row has none."""
    found = re.findall(rf"^ *({SIZE}) +{SIZE} +(\S+)$", text, re.MULTILINE)
    return {name: size for size, name in found}


def progress_bar(text: str) -> dict[str, str]:
    """Features of the last state of a progress bar."""
    line = text.replace("\r", "\n").strip().splitlines()[-1].strip()
    shape = re.sub(rf"{CLOCK}<{CLOCK}", "TIME<TIME", line)
    shape = re.sub(r"[\d.]+[kMGT]?/[\d.]+[kMGT]?(?= \[)", "SIZE/SIZE", shape)
    shape = re.sub(r"[\d.]+ ?[kMGT]?i?B/s", "RATE", shape)
    return {"line": shape, "rate": f"in {BINARY if 'iB/s' in line else DECIMAL}, a second"}


# A column of the printed list → ours of the same meaning.
HISTORY = {
    "ID": "task_id",
    "Simulator": "simulator",
    "Status": "status",
    "Submitted": "submitted_at",
    "Started": "started_at",
    "Duration": "computation_time",
    "VM Type": "machine_type",
}
PRINTED = {
    "Submitted": (r"\d\d [A-Z][a-z]{2}, \d\d:\d\d:\d\d", "`04 Aug, 12:06:17`, without its year"),
    "Started": (r"\d\d [A-Z][a-z]{2}, \d\d:\d\d:\d\d", "`04 Aug, 12:06:17`, without its year"),
    "Duration": (r"\d+h \d+m \d+s", "`0h 1m 53s`"),
}


def printed_history(text: str) -> dict[str, str]:
    """Features of the printed list of tasks."""
    names, *rows = (re.split(r" {2,}", line.strip()) for line in text.splitlines())
    features = {"result": "prints a table", "columns": ", ".join(names)}
    for name, (pattern, form) in PRINTED.items():
        cells = [row[names.index(name)] for row in rows]
        fits = cells and all(re.fullmatch(pattern, cell) for cell in cells)
        features[name] = form if fits else ", ".join(cells)
    return features


def frame_history(frame: Any) -> dict[str, str]:
    """The same features of a frame; a column without a counterpart in the document is more."""
    kinds = {str(frame.index.name): frame.index.dtype, **frame.dtypes}
    ours = [name for name in kinds if name in HISTORY.values()]
    features = {"result": f"returns a `{type(frame).__name__}`", "columns": ", ".join(ours)}
    return {**features, **{name: f"`{kinds[HISTORY[name]]}`" for name in PRINTED}}


def plain(text: str) -> dict[str, str]:
    """A short print-out is its own feature; of an object its class, of status lines the last."""
    lines = text.strip().splitlines() or ["nothing"]
    if all(re.match(r"\d\d:\d\d:\d\d  \S", line) for line in lines):
        lines = [f"HH:MM:SS{lines[-1][8:]}"]
    return {"": re.sub(r"^<(\w+)\.\w+: .*>$", r"a `\1`", "\n".join(lines))}


def features(step: Step, printed: str, shown: object) -> tuple[dict[str, str], dict[str, str]]:
    """Theirs and ours, by what the document shows after the step."""
    if step.want.startswith("Archive size"):
        return output_table(step.want), output_table(printed)
    if "%|" in step.want:
        return progress_bar(step.want), progress_bar(printed)
    if "VM Type" in step.want:
        return printed_history(step.want), frame_history(shown)
    return plain(step.want), plain(printed)


# -- what is not met to the letter ---------------------------------------------------------------


@dataclass(frozen=True)
class Difference:
    """What a document shows at a place, and what we show there."""

    document: str
    at: str
    theirs: str
    ours: str


def differences(document: str, step: Step, printed: str, shown: object) -> list[Difference]:
    """Features that differ; nothing is compared where a script shows nothing."""
    if not step.want and not step.is_silent:
        return []
    theirs, ours = features(step, printed, shown)
    assert theirs.keys() == ours.keys()
    return [
        Difference(document, f"{step.name}: {name}" if name else step.name, value, ours[name])
        for name, value in theirs.items()
        if value != ours[name]
    ]


SIZES = "the two documents disagree; the newer one and the official client count in KB = 1000 bytes"
FRAME = "the history is a frame: it shows itself in a notebook, sorts, filters and adds up;"
LIST = 'inductiva.tasks.list(5, status="success")'

DEVIATIONS: dict[Difference, str] = {
    Difference(
        MANAGE, "task.get_status()", "<DynamicSchema: 'success'>", "'success'"
    ): "a class of an older client shone through; the status is the text inside it",
    Difference(
        MANAGE, "task.kill()", "nothing", "a `KillOutcome`"
    ): "says whether the task is killed, being killed, or had already ended; nothing is printed",
    Difference(
        MANAGE, "with task.sync_context():", "nothing", "HH:MM:SS  Killed"
    ): "`wait()` prints each new status in a terminal, so that a long wait shows progress",
    Difference(
        MANAGEMENT,
        "print(status)",
        "submitted, started, success, failed, killed",
        "computation-started",
    ): "the service has more states today; a task that computes is no longer `started`,"
    " so the document's own `if` leaves it alone: `task.kill()` ends it all the same",
    Difference(
        MANAGEMENT,
        "output = task.get_output()",
        "an object of the scenario",
        "`OutputFiles`",
    ): "scenarios are gone from the service; the files open by name, with no download",
    Difference(
        MANAGEMENT, "print(outputs_info): indent", "1", "2"
    ): "in the document a comment mark takes a column; the newer document has two",
    Difference(MANAGEMENT, "print(outputs_info): sizes", BINARY, DECIMAL): SIZES,
    **{
        Difference(
            MANAGEMENT,
            f"output_dir = task.download_outputs({argument}: rate",
            f"in {BINARY}, a second",
            f"in {DECIMAL}, a second",
        ): SIZES
        for argument in ("", "uncompress=False)")
    },
    Difference(
        MANAGEMENT, f"{LIST}: result", "prints a table", "returns a `DataFrame`"
    ): f"{FRAME} a script prints it with `print`, where pandas leaves columns out of a narrow"
    " terminal; `inductiva-widgets tasks list` prints a table",
    Difference(
        MANAGEMENT,
        f"{LIST}: columns",
        ", ".join(HISTORY),
        "task_id, simulator, status, machine_type, computation_time, submitted_at, started_at",
    ): f"{FRAME} its columns have names that Python can use, and there are more;"
    " what a task is stands before when it ran",
    **{
        Difference(MANAGEMENT, f"{LIST}: {name}", PRINTED[name][1], f"`{kind}`"): f"{FRAME} {why}"
        for name, kind, why in (
            ("Submitted", "datetime64[us, UTC]", "a time with its year and zone"),
            ("Started", "datetime64[us, UTC]", "a time with its year and zone"),
            ("Duration", "timedelta64[us]", "a span that adds up"),
        )
    },
}


# -- the tables of the page on fidelity ------------------------------------------------------------


def state_of_documents() -> str:
    """Blocks, substitutions and deviations, as `docs/fidelity.md` shows them."""
    found = [block for document in (MANAGE, MANAGEMENT) for block in blocks(document)]
    lines = ["| Document | Code block | Runs as |", "|---|---|---|"]
    kinds = {
        "prompt": "statements at a prompt, each with what it shows",
        "script": "a script, each statement with what it prints",
        "terminal": "a command in a terminal, answered as shown",
    }
    lines += [
        f"| `{one.document}` | {one.number + 1}, line {one.line} | {kinds[one.kind]} |"
        for one in found
    ]
    lines += ["", "Words that are replaced before the blocks run, each as often as it says:", ""]
    lines += ["| Document, block | The document | Here | Times | Why |", "|---|---|---|---|---|"]
    lines += [
        f"| `{one.document}`, {one.block + 1} | {_code(one.old)} | {_code(one.new)} | {one.times}"
        f" | {one.reason} |"
        for one in SUBSTITUTIONS
    ]
    lines += ["", "What is not met to the letter, all of it:", ""]
    lines += ["| Document | At | It shows | Here | Why |", "|---|---|---|---|---|"]
    lines += [
        f"| `{one.document}` | {_place(one.at)} | {_cell(one.theirs)} | {_cell(one.ours)}"
        f" | {reason} |"
        for one, reason in DEVIATIONS.items()
    ]
    return "\n".join(lines) + "\n"


def _code(text: str) -> str:
    """Code in a cell; a table keeps neither line ends nor runs of spaces."""
    words = re.sub(r" {2,}", " ", text.strip("\n"))
    return f"`{words.strip()}`".replace("|", "\\|")


def _place(at: str) -> str:
    source, mark, feature = at.partition(": ")
    return f"{_code(source)}{mark}{feature}"


def _cell(text: str) -> str:
    quoted = text if "`" in text or not re.search(r"[<'=]", text) else f"`{text}`"
    return quoted.replace("|", "\\|")
