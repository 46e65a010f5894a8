"""The page of all mistakes."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "scripts" / "troubleshooting.py"


@pytest.fixture(scope="module")
def troubleshooting():
    """The program that writes the page."""
    return runpy.run_path(str(SCRIPT))


def test_the_page_is_that_of_the_table(troubleshooting):
    page = troubleshooting["PAGE"].read_text("utf-8")

    assert page == troubleshooting["page"](), "run `python scripts/troubleshooting.py`"


def test_there_are_forty_mistakes_and_each_says_what_to_do(troubleshooting):
    rows = troubleshooting["ROWS"]

    assert len(rows) >= 40
    assert all(row.says and row.hint for row in rows)
