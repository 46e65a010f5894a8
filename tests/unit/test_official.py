"""Tasks of another package's class, displayed as ours in marimo: by a hook on its import."""

from __future__ import annotations

import importlib
import sys

import pytest

import inductiva_widgets as iw
from inductiva_widgets.errors import UserInputError
from inductiva_widgets.notebook import official, session


@pytest.fixture
def _its_package(tmp_path, monkeypatch):
    """A package that looks like the official client and is imported by nobody yet."""
    folder = tmp_path / "inductiva" / "tasks"
    folder.mkdir(parents=True)
    (tmp_path / "inductiva" / "__init__.py").touch()
    (folder / "__init__.py").touch()
    (folder / "task.py").write_text("class Task:\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    yield
    for name in [name for name in sys.modules if name.split(".")[0] == "inductiva"]:
        del sys.modules[name]


@pytest.fixture
def _in_marimo(monkeypatch):
    monkeypatch.setattr(session, "in_marimo", lambda: True)


@pytest.mark.usefixtures("_its_package", "_in_marimo")
@pytest.mark.parametrize("comes_first", ["load_ext", "import"])
def test_its_tasks_display_as_ours_whichever_comes_first(comes_first, monkeypatch):
    monkeypatch.setattr(official, "as_task", lambda task: ("ours", task))
    if comes_first == "import":
        importlib.import_module(official.MODULE)

    iw.load_ext()
    iw.load_ext()

    was_imported = official.MODULE in sys.modules
    task = importlib.import_module(official.MODULE).Task()
    assert was_imported == (comes_first == "import")
    assert task._display_() == ("ours", task)


@pytest.mark.usefixtures("_its_package", "_in_marimo")
def test_a_refusal_is_a_sentence_and_not_markup(monkeypatch):
    def refuse(task):
        raise UserInputError("Made with <another> key.", hint="Connect first.")

    monkeypatch.setattr(official, "as_task", refuse)
    iw.load_ext()
    task = importlib.import_module(official.MODULE).Task()

    text = task._display_()._repr_html_()

    assert text == '<p role="alert">Made with &lt;another&gt; key. Connect first.</p>'


@pytest.mark.usefixtures("_its_package")
def test_in_a_plain_program_nothing_is_hooked(monkeypatch):
    monkeypatch.setattr(session, "in_marimo", lambda: False)
    monkeypatch.setattr(session, "shell", lambda: None)
    before = [*sys.meta_path]

    iw.load_ext()

    assert sys.meta_path == before
    assert not hasattr(importlib.import_module(official.MODULE).Task, "_display_")
