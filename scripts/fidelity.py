"""Writes `docs/fidelity.md`: how close we are to the official client and its pages.

Everything on the page is data of the conformance tests, which hold it.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "fidelity.md"
sys.path.insert(0, str(ROOT / "tests" / "conformance"))

from document_runner import state_of_documents  # noqa: E402 - found by the line above
from mapping import state_table  # noqa: E402 - found by the line above

HEAD = """\
<!-- Made by scripts/fidelity.py: change the data in tests/conformance, then run it. -->

# Fidelity

Built from the requests and replies of the official client 0.18.12; not run against the real
service. What this page says is checked by `make conformance`, on the local engine: the official
client runs on it unmodified, and the same task is read by it and by this package.

## The official pages

*Manage tasks* and *Task management* lie in
[`tests/conformance/documents/`](../tests/conformance/documents/), byte for byte. Every code block
runs, and every print-out is compared by columns, units and order. The first page's machine and its
computation time are put into the engine's replies on their way, and the task writes files of its
sizes, so that those are compared to the letter. Files stand in the archive's own order.

"""

CALLS = """
## The official client's calls and fields

"""


def page() -> str:
    """The page as it must be committed."""
    return HEAD + state_of_documents() + CALLS + state_table()


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
