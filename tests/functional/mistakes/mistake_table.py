"""The table of mistakes: what happened, what is said, what to do.

Each test makes one mistake, compares what is said with its row, and then does what the row tells.
`scripts/troubleshooting.py` writes `docs/troubleshooting.md` from the rows.
"""

from __future__ import annotations

from dataclasses import dataclass

SECTIONS = (
    "Key and address",
    "Network",
    "Tasks",
    "Outputs",
    "Submitting",
    "Frames and charts",
    "Local engine and JupyterLab",
)
KEYS, NETWORK, TASKS, OUTPUTS, SUBMITTING, FRAMES, HERE = SECTIONS


@dataclass(frozen=True)
class Row:
    """`says` and `hint` have names in braces for what differs from case to case."""

    section: str
    what: str
    says: str
    hint: str

    def __str__(self) -> str:
        cells = [self.what, self.says.format_map(Dots()), self.hint.format_map(Dots())]
        return f"| {' | '.join(cells)} |"


class Dots(dict):
    """Stands for whatever differs from case to case."""

    def __missing__(self, name):
        return "…"


ROWS: list[Row] = []


def mistake(section, what, says, hint):
    """A test of one mistake, and its row of the table."""

    def of(test):
        test.row = Row(section, what, says, hint)
        ROWS.append(test.row)
        return test

    return of
