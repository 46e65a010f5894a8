"""The examples of docs/tasks.md, run as they stand."""

from __future__ import annotations

import contextlib
import doctest
import re
from pathlib import Path

import pytest
from support import backend_at

from inductiva_widgets import backend as backends
from inductiva_widgets import tasks

PAGE = Path(__file__).parents[2] / "docs" / "tasks.md"
DRAG = """
import pathlib, sys
speed = float(sys.argv[2])
pathlib.Path("drag.csv").write_text(f"speed,drag\\n{speed:g},{0.5 * speed**2}\\n")
"""


@pytest.fixture
def place(engine, tmp_path, monkeypatch):
    """A folder with `case/`, and the engine as the default backend."""
    (tmp_path / "case").mkdir()
    (tmp_path / "case" / "drag.py").write_text(DRAG)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("inductiva_widgets.notebook.waiting.say", lambda _: None)
    monkeypatch.setenv("INDUCTIVA_WIDGETS_CACHE_DIR", str(tmp_path / "cache"))
    with contextlib.closing(
        backend_at(engine.url, engine.key, tmp_path / "out", is_local=True)
    ) as made:
        monkeypatch.setattr(backends, "_default", made)
        yield tmp_path


def test_the_examples_of_the_page_run(place):
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) >= 9
    test = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, PAGE.name, str(PAGE), 0)
    told: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.REPORT_ONLY_FIRST_FAILURE)

    result = runner.run(test, out=told.append)

    assert result.failed == 0, "".join(told)


def test_the_page_names_every_act_on_many_tasks():
    acts = set(tasks.__all__) - {"KillOutcome", "Task", "TaskList"}

    assert [name for name in sorted(acts) if name not in PAGE.read_text()] == []
