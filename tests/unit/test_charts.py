"""Charts: of any filtered frame, on light and dark pages, and never shown by themselves."""

from __future__ import annotations

import itertools
import re
import sys

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from test_history import NOW, RUNNING, record

from inductiva_widgets import history
from inductiva_widgets.errors import UserInputError
from inductiva_widgets.history import charts
from inductiva_widgets.history.frames import chunk_of, join
from inductiva_widgets.history.timeline import timeline_frame


@pytest.fixture(autouse=True, scope="module")
def _fonts():
    """matplotlib keeps the files of its fonts open from the first text on."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure()
    figure.text(0.5, 0.5, "…")
    FigureCanvasAgg(figure).draw()


@pytest.fixture(autouse=True)
def _drawn_without_a_screen():
    before = mpl.get_backend()
    mpl.use("agg", force=True)
    from matplotlib import pyplot as plt

    yield
    plt.close("all")
    mpl.use(before, force=True)


def frame():
    machines = [{"vm_type": f"c{number % 3}", "host_type": "GCP"} for number in range(12)]
    records = [
        record(
            task_id=f"t{number:02d}",
            executer=machine,
            simulator="swmm" if number % 2 else "openfoam",
            estimated_computation_cost=None if number == 5 else number / 10,
            metrics={"computation_seconds": 1.0 + number},
            task_metadata={"spacing": f"{number / 10:g}"},
        )
        for number, machine in enumerate(machines)
    ]
    return join([chunk_of([*records, record(**RUNNING, task_id="new")], metadata=True)], NOW, {})


def metrics():
    index = pd.date_range("2025-06-16T18:00Z", periods=5, freq="30s", name="time")
    return pd.DataFrame({"command": "a", "cpu-usage": [1.0] * 5, "memory": [2] * 5}, index=index)


DRAWN = {
    "gantt": lambda: history.gantt(frame()),
    "gantt of phases": lambda: history.gantt(timeline_frame([record(), record(**RUNNING)], NOW)),
    "cost_by": lambda: history.cost_by(frame(), "machine_type"),
    "runtime_scatter": lambda: history.runtime_scatter(frame(), "metadata.spacing"),
    "machine_load": lambda: history.machine_load(metrics()),
}


@pytest.fixture(params=DRAWN)
def drawn(request):
    return DRAWN[request.param]()


def test_a_chart_is_axes_on_a_transparent_ground(drawn):
    drawn.figure.canvas.draw()

    pixels = np.asarray(drawn.figure.canvas.buffer_rgba())
    assert pixels[0, 0, 3] == 0
    assert drawn.get_xlabel()


def luminance(colour):
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def contrast(one, other):
    light, dark = sorted([luminance(one), luminance(other)], reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("page", ["white", "#111111"])
def test_texts_and_marks_hold_on_light_and_dark(page):
    phases = [colour for colour, _ in charts._PHASES.values()]

    assert contrast(charts._GREY, page) >= 4
    assert min(contrast(colour, page) for colour in charts._COLOURS) >= 3
    assert min(contrast(colour, page) for colour in phases) >= 2.4


def test_no_text_has_a_colour_of_one_page_only(drawn):
    texts = [drawn.xaxis.label, drawn.yaxis.label, *drawn.get_xticklabels(), *drawn.texts]
    legend = drawn.get_legend()
    texts += [*legend.get_texts(), legend.get_title()] if legend else []

    assert {to_rgb(text.get_color()) for text in texts} == {to_rgb(charts._GREY)}


def test_what_a_colour_says_something_else_says_too():
    hatches = [hatch for _, hatch in charts._PHASES.values()]
    assert len(set(hatches)) == len(hatches)

    groups = history.runtime_scatter(frame()).collections
    shapes = [group.get_paths()[0].vertices for group in groups]
    assert all(
        a.shape != b.shape or not np.allclose(a, b) for a, b in itertools.combinations(shapes, 2)
    )
    styles = {line.get_linestyle() for line in history.machine_load(metrics()).lines}
    assert styles == {"-", "--"}


def test_a_gantt_has_a_row_a_task_and_its_phases_in_order():
    ax = history.gantt(frame())

    assert len(ax.get_yticks()) == 13
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "Input",
        "Queue",
        "Prepare",
        "Compute",
        "Pack",
    ]
    assert re.search(r"minutes since 2025-06-16 18:16:34 UTC", ax.get_xlabel())


@pytest.mark.parametrize(
    ("fields", "minutes"),
    [
        ({"status": "killed", "is_terminated": True, "end_time": "2025-06-16T18:30:00"}, 10),
        ({"status": "submitted", "is_terminated": False, "end_time": None}, 20),
    ],
)
def test_a_gantt_of_the_list_shows_the_phase_that_lasts_and_the_last_one(fields, minutes):
    """Killed in the queue, and still in it."""
    queued = record(
        create_time="2025-06-16T18:20:00",
        input_submit_time="2025-06-16T18:20:00",
        start_time=None,
        computation_start_time=None,
        computation_end_time=None,
        **fields,
    )
    now = pd.Timestamp("2025-06-16T18:40Z").to_pydatetime()

    ax = history.gantt(join([chunk_of([queued])], now, {}))

    (bar,) = ax.patches
    assert bar.get_width() == minutes
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["Queue"]


def test_costs_may_be_grouped_by_any_column():
    assert len(history.cost_by(frame(), "cost").patches) == 12
    assert len(history.cost_by(frame(), "status").patches) == 2


def test_costs_are_summed_and_tasks_without_one_counted_beside():
    ax = history.cost_by(frame(), "machine_type")

    widths = [bar.get_width() for bar in ax.patches]
    assert widths == pytest.approx([2.2, 2.1, 1.8, 0.0])
    labels = [text.get_text() for text in ax.texts]
    assert labels[:2] == ["2.20 (4 tasks)", "2.10 (4 tasks, 1 without a cost)"]
    assert any("no cost known, 1 task" in label for label in labels)
    assert ax.get_xlabel() == "cost (USD)"


def test_without_any_cost_the_chart_says_so():
    ax = history.cost_by(frame().assign(cost=pd.array([pd.NA] * 13, "Float64"), currency=None))

    assert ax.get_xlabel() == "no costs known"
    assert len(ax.get_xticks()) == 0


def test_texts_that_are_numbers_are_drawn_as_numbers():
    ax = history.runtime_scatter(frame(), "metadata.spacing", "simulator")

    found = np.concatenate([group.get_offsets() for group in ax.collections])
    assert sorted(found[:, 0]) == pytest.approx([number / 10 for number in range(12)])
    assert sorted(found[:, 1]) == pytest.approx([1.0 + number for number in range(12)])


def test_many_groups_become_a_few_and_the_others():
    many = frame().assign(project=pd.Categorical([f"p{number % 13}" for number in range(13)]))

    ax = history.runtime_scatter(many, by="project")

    assert len(ax.collections) == 8
    assert any("others" in text.get_text() for text in ax.get_legend().get_texts())


@pytest.mark.parametrize(
    "draw",
    [
        lambda: history.gantt(frame()[:0]),
        lambda: history.cost_by(frame()[:0]),
        lambda: history.runtime_scatter(frame()[:0]),
        lambda: history.machine_load(metrics()[:0]),
    ],
)
def test_nothing_to_draw_is_said(draw):
    (text,) = draw().texts

    assert text.get_text().startswith("No ")


@pytest.mark.parametrize(
    ("draw", "says"),
    [
        (lambda: history.gantt(metrics()), "no column"),
        (lambda: history.cost_by(frame(), "colour"), "'colour'"),
        (lambda: history.runtime_scatter(frame(), "metadata.height"), "'metadata.height'"),
        (lambda: history.runtime_scatter(frame(), "container_image"), "holds no numbers"),
        (lambda: history.machine_load(frame()), "cpu-usage"),
        (lambda: history.cost_by(frame(), 5), "no column 5"),
        (lambda: history.gantt("tasks"), "not of str"),
        (lambda: history.cost_by(frame().iloc[0]), "not of Series"),
        (lambda: history.runtime_scatter(None), "not of NoneType"),
        (lambda: history.machine_load([1]), "not of list"),
    ],
)
def test_a_frame_without_the_column_is_refused_with_a_hint(draw, says):
    with pytest.raises(UserInputError, match=says):
        draw()


def test_axes_that_are_given_are_used_and_keep_their_figure():
    from matplotlib import pyplot as plt

    figure, ax = plt.subplots(facecolor="white")

    assert history.cost_by(frame(), ax=ax) is ax
    assert figure.patch.get_alpha() is None


def test_nothing_is_shown_by_itself(monkeypatch):
    from matplotlib import pyplot as plt

    monkeypatch.setattr(plt, "show", lambda *_, **__: pytest.fail("a chart showed itself"))
    for draw in DRAWN.values():
        draw()


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)

    with pytest.raises(ImportError, match=r"inductiva_widgets\[plots\]"):
        history.cost_by(frame())
