"""Charts of frames, by matplotlib: each takes a frame, filtered as you like, and returns the Axes.

They work on light and dark pages: the background is transparent, greys and colours are readable
on white and near-black, and every colour is paired with a hatch, marker or line style.
"""

from __future__ import annotations

import itertools
from typing import Any

import pandas as pd

from inductiva_widgets.errors import MissingLibraryError, UserInputError
from inductiva_widgets.formats import short_id
from inductiva_widgets.phases import KINDS

__all__ = ["cost_by", "gantt", "machine_load", "runtime_scatter"]

Axes = Any  # matplotlib loads at the first chart

# Contrast of at least 3 : 1 with both white and #111; the grey of texts has 4 : 1 with both.
_GREY = "#7b7b7b"
_COLOURS = (
    "#3f86c9", "#c9782c", "#35945a", "#a865c0", "#c9554e", "#85892a", "#289a98", "#8f7b6b",
)  # fmt: skip
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_MOST_GROUPS = 8  # more are hard to distinguish: the rarest are merged
_OTHERS = "others"
_MOST_LABELS = 40  # rows of a gantt that still have room for their names

# Kind of phase → colour and hatch; waiting is pale, work is full.
_PHASES: dict[str, tuple[str, str]] = {
    "waiting": ("#9a9a9a", "...."),
    "queue": ("#9a9a9a", "////"),
    "preparing": ("#289a98", "\\\\\\\\"),
    "command": ("#3f86c9", ""),
    "computing": ("#7fa6cd", "----"),
    "packing": ("#35945a", "xxxx"),
    "stopping": ("#c9782c", "||||"),
    "lost": ("#c9554e", "++++"),
    "other": ("#8f7b6b", "oo"),
}


def gantt(frame: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """The phases of tasks over time: a row per task, the first at the top.

    Args:
        frame: Of `tasks.timeline`, or of `tasks.list`: then the phases are derived from its
            stamps, without commands.
        ax: Where to draw; a new figure when not given.

    Raises:
        ImportError: matplotlib is not installed.
        UserInputError: The frame is neither of these.
    """
    spans = _spans(frame)
    order = spans.groupby("task_id", sort=False, observed=True)["start"].min().sort_values()
    rows = {task_id: row for row, task_id in enumerate(order.index)}
    ax = ax or _axes(height=1.6 + min(8.0, 0.26 * max(3, len(rows))))
    if spans.empty:
        return _empty(ax, "No tasks to draw")
    begun = spans["start"].min()
    end = spans["start"] + spans["duration"]
    unit_s, unit = _unit((end.max() - begun).total_seconds())
    left = (spans["start"] - begun).dt.total_seconds() / unit_s
    width = spans["duration"].dt.total_seconds() / unit_s
    places = spans["task_id"].map(rows)
    has_names = len(rows) <= _MOST_LABELS
    for kind, (colour, hatch) in _PHASES.items():
        mine = spans["phase"] == kind
        if mine.any():
            ax.barh(
                places[mine], width[mine], left=left[mine], height=0.8 if has_names else 1.0,
                color=colour,
                hatch=hatch if has_names else "",  # thin rows would show hatches only
                edgecolor="#ffffff66", linewidth=0, label=KINDS[kind],  # type: ignore[index]
            )  # fmt: skip
    ax.set_ylim(len(rows) - 0.4, -0.6)
    if has_names:
        ax.set_yticks(range(len(rows)), [short_id(str(task_id)) for task_id in rows])
    else:
        ax.set_yticks([])
        ax.set_ylabel(f"{len(rows):,} tasks, the earliest at the top")
    ax.set_xlabel(f"{unit} since {begun:%Y-%m-%d %H:%M:%S} UTC")
    _legend(ax, "phase")
    return ax


def cost_by(frame: pd.DataFrame, by: str = "machine_type", ax: Axes | None = None) -> Axes:
    """What tasks cost together, by the values of a column; the most expensive at the top.

    Args:
        frame: Of `tasks.list`. Tasks without a cost are counted beside the bar.
        by: The column, such as `machine_type`, `project` or `metadata.resolution`.
        ax: Where to draw; a new figure when not given.

    Raises:
        ImportError: matplotlib is not installed.
        UserInputError: The frame has no such column.
    """
    _check(frame, by, "cost")
    names = frame[by].astype("string").fillna("not known")
    groups = frame["cost"].groupby(names.to_numpy())
    table = pd.DataFrame({"sum": groups.sum(), "priced": groups.count(), "tasks": groups.size()})
    table = table.astype("float64").sort_values(["sum", "tasks"], ascending=False)
    ax = ax or _axes(height=1.2 + 0.42 * max(2, len(table)))
    if table.empty:
        return _empty(ax, "No tasks to draw")
    bars = ax.barh(range(len(table)), table["sum"], color=_COLOURS[0], height=0.66)
    ax.bar_label(bars, [_priced(row) for row in table.itertuples()], padding=5, color=_GREY)
    ax.set_yticks(range(len(table)), table.index)
    ax.invert_yaxis()
    # Room for the labels; a scale of nothing would be drawn around zero.
    ax.set_xlim(0, float(table["sum"].max()) * 1.45 or 1.0)
    currencies = frame.get("currency", pd.Series(dtype="string")).dropna().unique()
    ax.set_xlabel(f"cost ({', '.join(currencies)})" if len(currencies) else "no costs known")
    if not table["priced"].any():
        ax.set_xticks([])
    ax.set_ylabel(by.replace("_", " "))
    return ax


def runtime_scatter(
    frame: pd.DataFrame,
    x: str = "created_at",
    by: str = "simulator",
    ax: Axes | None = None,
) -> Axes:
    """How long tasks computed, against a column; the groups differ in colour and marker.

    Args:
        frame: Of `tasks.list`; tasks without a computation time are left out.
        x: A column of numbers, times or spans; texts that are numbers, as the tasks' own notes
            (`metadata.spacing`), are taken as such.
        by: The column that groups the points.
        ax: Where to draw; a new figure when not given.

    Raises:
        ImportError: matplotlib is not installed.
        UserInputError: The frame has no such column, or that of `x` holds no numbers.
    """
    _check(frame, x, by, "computation_time")
    across = _numeric(frame[x])
    seconds = frame["computation_time"].dt.total_seconds()
    known = across.notna() & seconds.notna()
    ax = ax or _axes()
    if not known.any():
        return _empty(ax, "No task has both values")
    groups = _groups(frame.loc[known, by])
    names = list(dict.fromkeys(groups.value_counts().index))
    for name, colour, marker in zip(
        names, itertools.cycle(_COLOURS), itertools.cycle(_MARKERS), strict=False
    ):
        mine = groups.index[groups == name]
        ax.scatter(
            across[mine], seconds[mine], s=26, alpha=0.75, color=colour, marker=marker,
            linewidths=0, label=f"{name} ({len(mine)})",
        )  # fmt: skip
    positive = seconds[known][seconds[known] > 0]
    if len(positive) == known.sum() and positive.max() > 50 * positive.min():
        ax.set_yscale("log")
    zone = " (UTC)" if isinstance(frame[x].dtype, pd.DatetimeTZDtype) else ""
    ax.set_xlabel(x.removeprefix("metadata.").replace("_", " ") + zone)
    ax.set_ylabel("computation time (s)")
    _legend(ax, by.replace("_", " "))
    return ax


def machine_load(metrics: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """How busy the machine of a task was: processors and memory, in percent, over the run.

    Args:
        metrics: Of `tasks.metrics`.
        ax: Where to draw; a new figure when not given.

    Raises:
        ImportError: matplotlib is not installed.
        UserInputError: The frame has no figures in percent.
    """
    drawn = {"cpu-usage": ("processors", "-"), "memory": ("memory", "--")}
    _check(metrics)
    known = [name for name in drawn if name in metrics.columns]
    if not known:
        raise UserInputError(
            "The frame has neither `cpu-usage` nor `memory`.", hint="Take that of tasks.metrics()."
        )
    ax = ax or _axes(height=3.2)
    if metrics.empty:
        return _empty(ax, "No samples")
    elapsed = (metrics.index - metrics.index[0]).total_seconds()
    unit_s, unit = _unit(float(elapsed[-1]))
    for name, colour in zip(known, _COLOURS, strict=False):
        label, style = drawn[name]
        values = pd.to_numeric(metrics[name], errors="coerce").astype("float64")
        marker = "o" if len(values) < 30 else ""
        ax.plot(
            elapsed / unit_s, values, style, color=colour, label=label, marker=marker, markersize=3
        )
    ax.set_ylim(bottom=0)
    ax.set_xlabel(f"{unit} since {metrics.index[0]:%Y-%m-%d %H:%M:%S} UTC")
    ax.set_ylabel("percent of the machine")
    _legend(ax, None)
    return ax


# -- data ----------------------------------------------------------------------------------------

# Stamp that begins a phase, stamp that ends it, the phase; of a frame of the list.
_STAMPS = (
    ("created_at", "submitted_at", "waiting"),
    ("submitted_at", "started_at", "queue"),
    ("started_at", "computation_started_at", "preparing"),
    ("computation_started_at", "computation_ended_at", "computing"),
    ("computation_ended_at", "ended_at", "packing"),
)


def _spans(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows of task_id, phase, start and duration."""
    _check(frame)
    if "phase" in frame.columns:
        _check(frame, "task_id", "start", "duration")
        spans = frame[["task_id", "phase", "start", "duration"]]
    else:
        _check(frame, *dict.fromkeys(name for stamps in _STAMPS for name in stamps[:2]))
        last = _last_moment(frame)
        parts = []
        for place, (start, end, phase) in enumerate(_STAMPS):
            # The phase that a task is in, or ended in, lasts until the last that is known of it.
            is_last = frame[[name for name, _, _ in _STAMPS[place + 1 :]]].isna().all(axis=1)
            until = frame[end].where(frame[end].notna() | ~is_last, last)
            columns = {"start": frame[start].array, "duration": (until - frame[start]).array}
            parts.append(pd.DataFrame({"task_id": frame.index, "phase": phase, **columns}))
        spans = pd.concat(parts, ignore_index=True)
    return spans[spans["duration"].notna() & (spans["duration"] > pd.Timedelta(0))]


def _last_moment(frame: pd.DataFrame) -> pd.Series:
    """The end of each task; of running ones, the moment of the frame."""
    as_of = frame.attrs.get("as_of")
    if "is_final" not in frame.columns or as_of is None:
        return frame["ended_at"]
    goes_on = ~frame["is_final"].fillna(value=True).astype(bool)
    return frame["ended_at"].mask(goes_on, pd.Timestamp(as_of))


def _check(frame: pd.DataFrame, *names: str) -> None:
    if not isinstance(frame, pd.DataFrame):
        raise UserInputError(
            f"Charts are drawn of a frame, not of {type(frame).__name__}.",
            hint="Take that of tasks.list(), tasks.timeline() or tasks.metrics().",
        )
    missing = [name for name in names if name not in frame.columns]
    if missing:
        metadata = str(missing[0]).startswith("metadata.")
        raise UserInputError(
            f"The frame has no column {missing[0]!r}.",
            hint="Ask with tasks.list(…, metadata=True)."
            if metadata
            else "Take a frame of tasks.list(), or tasks.timeline() for a gantt.",
        )


def _numeric(column: pd.Series) -> pd.Series:
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        return column.dt.tz_localize(None)
    if pd.api.types.is_timedelta64_dtype(column.dtype):
        return column.dt.total_seconds()
    numbers = pd.to_numeric(column.astype("object"), errors="coerce").astype("float64")
    if column.notna().any() and not numbers.notna().any():
        raise UserInputError(f"The column {column.name!r} holds no numbers.")
    return numbers


def _groups(column: pd.Series) -> pd.Series:
    """The column as texts, its rarest values as one."""
    names = column.astype("string").fillna("not known").astype("object")
    often = names.value_counts().index[: _MOST_GROUPS - 1]
    return names if names.nunique() <= _MOST_GROUPS else names.where(names.isin(often), _OTHERS)


def _priced(row: Any) -> str:  # noqa: ANN401 - a row of a frame
    tasks = f"{row.tasks:,.0f} task{'s' if row.tasks != 1 else ''}"
    if row.priced == 0:
        return f"no cost known, {tasks}"
    unpriced = row.tasks - row.priced
    note = f", {unpriced:,.0f} without a cost" if unpriced else ""
    return f"{row.sum:,.2f} ({tasks}{note})" if row.sum >= 0.1 else f"{row.sum:.2g} ({tasks}{note})"


def _unit(seconds: float) -> tuple[float, str]:
    """The unit in which a span reads best."""
    units = ((1.0, "seconds"), (60.0, "minutes"), (3600.0, "hours"), (86400.0, "days"))
    fitting = [unit for unit in units if seconds >= 3 * unit[0]]
    return fitting[-1] if fitting else units[0]


# -- drawing -------------------------------------------------------------------------------------


def _axes(height: float = 4.0) -> Axes:
    """Axes of a new figure, transparent, greys that hold on light and dark."""
    try:
        from matplotlib import pyplot as plt
    except ImportError as error:
        raise MissingLibraryError(
            "Charts need matplotlib, which is not installed.",
            hint='pip install "inductiva_widgets[plots]"',
        ) from error
    figure, ax = plt.subplots(figsize=(8.0, height), layout="constrained")
    figure.patch.set_alpha(0)
    ax.patch.set_alpha(0)
    ax.tick_params(colors=_GREY)
    ax.xaxis.label.set_color(_GREY)
    ax.yaxis.label.set_color(_GREY)
    ax.grid(axis="x", color=_GREY, alpha=0.25, linewidth=0.6)
    ax.set_axisbelow(True)
    for side, spine in ax.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(_GREY)
    return ax


def _legend(ax: Axes, title: str | None) -> None:
    # Beside the data, where it hides none of it.
    legend = ax.legend(
        title=title, frameon=False, labelcolor=_GREY, loc="upper left", bbox_to_anchor=(1.01, 1)
    )
    legend.get_title().set_color(_GREY)


def _empty(ax: Axes, text: str) -> Axes:
    ax.text(0.5, 0.5, text, color=_GREY, ha="center", va="center", transform=ax.transAxes)
    ax.set_xticks([])
    ax.set_yticks([])
    return ax
