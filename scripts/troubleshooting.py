"""Writes `docs/troubleshooting.md`: what is said, why, and what to do next.

The rows of its tables are data of the tests in `tests/functional/mistakes/`, which hold them.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "troubleshooting.md"
TESTS = ROOT / "tests" / "functional" / "mistakes"
sys.path[:0] = map(str, (TESTS, TESTS.parent, TESTS.parents[1]))

from mistake_table import ROWS, SECTIONS  # noqa: E402 - found by the line above

for test_file in sorted(TESTS.glob("test_*_mistakes.py")):
    importlib.import_module(test_file.stem)  # its rows join the table

HEAD = """\
# Troubleshooting

What is said, why, and what to do next. Errors in Python, in the views and of the
command line have the same texts; … stands for what differs. In Python the two parts
are `error.message` and `error.hint`, and `error.retryable` tells whether the same call
may succeed later. `iw.config()` and `inductiva-widgets auth status` tell which service,
key and folders are used, and where each comes from.
"""
COLUMNS = "| What happened | What is said | What to do |\n|---|---|---|\n"


def page() -> str:
    """The page as it must be committed."""
    return HEAD + "".join(
        f"\n## {section}\n\n{COLUMNS}"
        + "".join(f"{row}\n" for row in ROWS if row.section == section)
        for section in SECTIONS
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
