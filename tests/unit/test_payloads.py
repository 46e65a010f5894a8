"""Answers with odd fields, and clocks that are wrong: one cell suffers, on every surface.

What one field is read as is in `test_models`; here is what people see of a task: the row of the
frame, the summary of the views, the card of a notebook, the row of the command line.
"""

from __future__ import annotations

import datetime as dt
import functools
import os
import time

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_clock import START, World
from test_history import NOW, RUNNING, frame, record
from test_models import FIELDS, TASK, json_values

from inductiva_widgets.api import rows
from inductiva_widgets.api.models import decode
from inductiva_widgets.history.frames import chunk_of, join
from inductiva_widgets.service.protocol import BackendName
from inductiva_widgets.service.summaries import record_summary
from inductiva_widgets.tasks.rows import row

UTC = dt.timezone.utc
SAMPLES = (None, "text", "2025-06-16T18:20:00Z", 7, -1.5, True, [], {"vm_type": "x"})
ZONES = ("UTC", "Europe/Lisbon", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu")


def seen(**changes):
    """All cells of a task by surface and name, as texts."""
    task = record(**changes)
    summary = msgspec.to_builtins(record_summary(BackendName("b" * 12, "test"), task, (NOW, NOW)))
    page = decode(msgspec.json.encode({"tasks": [{**TASK, **changes}]}), rows.RowPage)
    listed = join([chunk_of(page.tasks)], NOW, {}) if page.tasks else frame(task)
    return {
        **{("frame", name): repr(value) for name, value in frame(task).iloc[0].items()},
        **{("list", name): repr(value) for name, value in listed.iloc[0].items()},
        **{("view", name): repr(value) for name, value in summary.items()},
        **{("command line", place): cell for place, cell in enumerate(row(task, NOW))},
    }


@functools.cache
def depending_on(field):
    """The cells that a field has a say in."""
    right = seen()
    others = [seen(**{field: value}) for value in SAMPLES]
    return frozenset(cell for other in others for cell in right if other[cell] != right[cell])


@pytest.mark.fault(72)
@settings(deadline=None, max_examples=40)
@given(field=st.sampled_from(FIELDS), value=json_values)
@example(field="metrics", value={"computation_seconds": "much"})
@example(field="executer", value=[])
def test_an_odd_field_changes_no_cell_but_its_own(field, value):
    cells, right = seen(**{field: value}), seen()

    assert cells.keys() == right.keys()
    changed = {cell for cell in right if cells[cell] != right[cell]}
    assert changed <= depending_on(field)


@pytest.mark.fault(72)
@pytest.mark.parametrize("field", FIELDS)
def test_no_field_has_a_say_in_most_cells(field):
    """Else the property above would say nothing."""
    assert len(depending_on(field)) < len(seen()) / 2


@pytest.mark.fault(72)
@settings(deadline=None, max_examples=20)
@given(extra=st.dictionaries(st.text(min_size=1).filter(lambda n: n not in TASK), json_values))
def test_new_fields_of_the_service_change_nothing(extra):
    assert seen(**extra) == seen()


# -- time ----------------------------------------------------------------------------------------


@pytest.fixture
def zone():
    """Sets the zone of this process; the old one comes back."""
    before = os.environ.get("TZ")

    def set_to(name):
        os.environ["TZ"] = name
        time.tzset()

    yield set_to
    if before is None:
        os.environ.pop("TZ", None)
    else:
        os.environ["TZ"] = before
    time.tzset()


def written(moment_s, offset_minutes):
    """A stamp as services write it, in some zone."""
    zone = dt.timezone(dt.timedelta(minutes=offset_minutes))
    text = dt.datetime.fromtimestamp(moment_s, zone).isoformat()
    return text.replace("+00:00", "Z") if offset_minutes == 0 else text


@pytest.mark.fault(73, 74)
@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the zone of a process is Unix")
def test_durations_are_right_whatever_zones_and_clocks_say(zone):
    """1,000 cases: skews of a day, zones with and without summer time, its change in a run."""
    worst_s = []

    @settings(max_examples=1000, deadline=None, derandomize=True)
    @given(
        zones=st.tuples(st.sampled_from(ZONES), st.integers(-12 * 60, 14 * 60)),
        skew_s=st.floats(-86_400, 86_400),
        # Around the nights of 2025 in which clocks are set, and anywhere in that year.
        begin_s=st.one_of(
            st.floats(1_742_688_000, 1_743_379_200), st.floats(START - 86_400 * 160, START)
        ),
        ran_s=st.floats(0, 86_400 * 3),
        later_s=st.floats(0, 7200),
    )
    def check(zones, skew_s, begin_s, ran_s, later_s):
        name, offset = zones
        zone(name)
        world = World(skew_s)
        world.true_s = begin_s + ran_s
        world.clock._origin = world.true_s + skew_s - world.clock._monotonic()
        world.answer()
        world.true_s += later_s  # the next answer is still to come
        task = record(
            **RUNNING,
            create_time=written(begin_s - 1, offset),
            computation_start_time=written(begin_s, offset),
        )
        now = world.clock.now()

        computed, total = task.computation_seconds(now), task.total_seconds(now)
        ran = ran_s + later_s
        checked = [(computed, ran), (total, ran + 1)]
        if len(worst_s) % 20 == 0:  # frames take their time
            checked.append((frame_of(task, now)["elapsed"].total_seconds(), ran))
        assert all(found >= 0 for found, _ in checked)
        worst_s.append(max(abs(found - true_s) for found, true_s in checked))
        assert worst_s[-1] <= 1.001

    check()

    assert len(worst_s) >= 1000
    assert max(worst_s) > 0.5  # the clocks were wrong


def frame_of(task, now):
    from inductiva_widgets.history.frames import task_frame

    return task_frame([task], now, {}).iloc[0]


@pytest.mark.fault(74)
@settings(deadline=None)
@given(
    begin_s=st.floats(0, 4_000_000_000),
    ran_s=st.floats(-86_400, 86_400),
    ahead_s=st.floats(-86_400, 86_400),
)
def test_an_end_before_its_start_is_no_negative_duration(begin_s, ran_s, ahead_s):
    task = record(
        **{
            **RUNNING,
            "create_time": written(begin_s, 0),
            "computation_start_time": written(begin_s + ahead_s, 0),
            "computation_end_time": written(begin_s + ahead_s + ran_s, 0),
            "end_time": written(begin_s + ran_s, 0),
        }
    )
    now = dt.datetime.fromtimestamp(begin_s + 60, UTC)
    cells = frame_of(task, now)

    for name in ("computation_time", "elapsed", "queue_time", "total_time"):
        assert not cells[name] < dt.timedelta(0), name
    for seconds in (task.computation_seconds(now), task.total_seconds(now)):
        assert seconds is None or seconds >= 0
