"""A small version of the soak of monitors: `make soak-monitors` runs it for hours."""

from __future__ import annotations

import contextlib
import gc
import subprocess
import sys
import weakref
from pathlib import Path

import pytest
from ipywidgets.widgets.widget import _instances
from support import backend_at

from inductiva_widgets import Task, TaskMonitor, TaskTable
from inductiva_widgets.notebook.view_code import code_of
from inductiva_widgets.service import dispatch

sys.path.insert(0, str(Path(__file__).parents[1]))

import soak_monitors

SOAK = Path(soak_monitors.__file__)


@pytest.mark.full
@pytest.mark.timeout(400)
@pytest.mark.fault(31, 85, 100, 101, 102)
def test_fifty_monitors_leave_nothing_and_become_true_by_themselves():
    """Half an hour of a clock turned by hand, and some twenty seconds with real kernels."""
    done = subprocess.run(
        [sys.executable, SOAK, "0.5", "0.3"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("all is well") == 2


@pytest.mark.fault(101)
def test_a_closed_widget_is_forgotten(tmp_path, monkeypatch):
    """With its layout, a widget with a comm of its own; code of views stays for the next."""
    monkeypatch.setattr(dispatch, "_services", {})
    codes = [code_of(kind).model_id for kind in ("monitor", "table")]
    before = {*_instances}
    with contextlib.closing(
        backend_at("http://127.0.0.1:9", "key", tmp_path, is_local=True)
    ) as backend:
        task = Task("abc", backend=backend)
        widgets = [TaskMonitor(task), TaskTable([task], backend=backend)]
        seen = [weakref.ref(widget) for widget in widgets]
        for widget in widgets:
            widget.close()
        del widget, widgets
        gc.collect()

    assert [one() for one in seen] == [None, None]
    assert {*_instances} == before
    assert [code_of(kind).model_id for kind in ("monitor", "table")] == codes


@pytest.mark.fault(85)
def test_a_new_key_is_noticed_by_itself_and_the_refused_one_not_used(monkeypatch, tmp_path):
    monkeypatch.setattr(dispatch, "_services", {})
    monkeypatch.setenv("HOME", str(tmp_path))
    report = soak_monitors.Report("")
    with contextlib.closing(soak_monitors.Service()) as service:
        day = soak_monitors.Day(service, report)
        day.desk.open()
        day.new_key()
        day.end()

    assert report.problems == []
    assert "a new key" in report.true_after_s


def requests_of(count, monkeypatch, home):
    """What an hour of monitors of one task costs, on a clock turned by hand."""
    monkeypatch.setattr(dispatch, "_services", {})
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr(soak_monitors, "TASKS", 1)
    monkeypatch.setattr(soak_monitors, "MONITORS", count)
    report = soak_monitors.Report("")
    with contextlib.closing(soak_monitors.Service()) as service:
        day = soak_monitors.Day(service, report)
        day.desk.open()
        day.run_until(3600, acts=False)
        assert len(day.desk.statuses()) == count
        day.end()
    return service.requests


@pytest.mark.fault(101)
def test_fifty_monitors_of_a_task_ask_as_often_as_one(monkeypatch, tmp_path):
    alone, many = (requests_of(count, monkeypatch, tmp_path) for count in (1, 50))

    assert alone > 300  # an hour of looks, the pauses growing to ten seconds
    assert many <= 1.2 * alone
