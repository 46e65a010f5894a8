"""Mistakes with frames, charts and their libraries."""

from __future__ import annotations

import sys

import pytest
from mistake_table import FRAMES, mistake

import inductiva_widgets as iw
from inductiva_widgets import errors


@mistake(
    FRAMES,
    "pyarrow is not installed",
    "Parquet needs pyarrow, which is not installed.",
    "pip install pyarrow, or write CSV: history.to_csv(frame, path).",
)
def test_parquet_without_its_library(refused, done_id, backend, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    frame = iw.tasks.list(last_n=None)
    with refused(errors.MissingLibraryError):
        iw.history.to_parquet(frame, tmp_path / "tasks.parquet")

    iw.history.to_csv(frame, tmp_path / "tasks.csv")
    assert done_id in iw.history.read_csv(tmp_path / "tasks.csv").index


@mistake(
    FRAMES,
    "matplotlib is not installed",
    "Charts need matplotlib, which is not installed.",
    'pip install "inductiva_widgets[plots]"',
)
def test_chart_without_its_library(refused, done_id, backend, monkeypatch):
    frame = iw.tasks.list(last_n=None)
    with monkeypatch.context() as without, refused(errors.MissingLibraryError):
        without.setitem(sys.modules, "matplotlib", None)
        without.setitem(sys.modules, "matplotlib.pyplot", None)
        iw.history.cost_by(frame)

    pytest.importorskip("matplotlib").use("agg")
    axes = iw.history.cost_by(frame)
    assert axes.patches
    sys.modules["matplotlib.pyplot"].close("all")


@mistake(
    FRAMES,
    "A chart is drawn of another frame",
    "The frame has no column {name}.",
    "Take a frame of tasks.list(), or tasks.timeline() for a gantt.",
)
def test_chart_of_another_frame(refused, done_id, backend):
    import pandas as pd

    pytest.importorskip("matplotlib").use("agg")
    with refused(errors.UserInputError, name="'created_at'"):
        iw.history.runtime_scatter(pd.DataFrame({"a": [1]}))

    assert iw.history.runtime_scatter(iw.tasks.list(last_n=None)).collections
    sys.modules["matplotlib.pyplot"].close("all")


@mistake(
    FRAMES,
    "A table is read that is no history of tasks",
    "{file} is no task history: it has no column {name}.",
    "history.to_csv(frame, path) writes one.",
)
def test_csv_of_something_else(refused, done_id, backend, tmp_path):
    (tmp_path / "forces.csv").write_text("t,fx\n0,1\n")
    with refused(errors.UserInputError, file="forces.csv", name="'computation_ended_at'"):
        iw.history.read_csv(tmp_path / "forces.csv")

    iw.history.to_csv(iw.tasks.list(last_n=None), tmp_path / "tasks.csv")
    assert done_id in iw.history.read_csv(tmp_path / "tasks.csv").index
