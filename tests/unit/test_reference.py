"""The page of the public API is made from the code, and leaves nothing out."""

from __future__ import annotations

import inspect
import re
import runpy
from pathlib import Path

import pytest

import inductiva_widgets as iw
from inductiva_widgets import errors, history, local, log_progress, tasks

ROOT = Path(__file__).parents[2]
PUBLIC = {
    *iw.__all__,
    *tasks.__all__,
    *history.__all__,
    *local.__all__,
    *log_progress.__all__,
    *errors.__all__,
    *(name for name in dir(iw.Task) if not name.startswith("_")),
}


@pytest.fixture(scope="module")
def reference():
    return runpy.run_path(str(ROOT / "scripts" / "reference.py"))


def test_the_committed_page_is_the_one_that_is_made(reference):
    made = reference["page"]()

    assert reference["PAGE"].read_text("utf-8") == made, "run `python scripts/reference.py`"


def test_every_public_name_is_on_the_page(reference):
    shown = set(re.findall(r"^(?:\| | *\* )`(\w+)", reference["page"](), re.MULTILINE))
    modules = {name for name in iw.__all__ if inspect.ismodule(getattr(iw, name))}

    assert not PUBLIC - shown - modules
    assert modules == {"errors", "history", "local", "tasks"}


def test_every_line_of_the_page_says_something(reference):
    assert not re.findall(r"^\| `.*` \| +\|$", reference["page"](), re.MULTILINE)
