"""Phases: one after another, and as long together as the task's life."""

from __future__ import annotations

import datetime as dt
import itertools

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_models import TASK, json_values

from inductiva_widgets.api.models import STATUSES, TaskRecord, decode
from inductiva_widgets.phases import KINDS, phases

START = dt.datetime(2025, 6, 16, 18, 0, tzinfo=dt.timezone.utc)
NOW = START + dt.timedelta(seconds=1000)


def at(seconds):
    return (START + dt.timedelta(seconds=seconds)).isoformat()


def command(text, begin, end, **attributes):
    return {
        "name": "exec_command",
        "start_timestamp": at(begin),
        "end_timestamp": None if end is None else at(end),
        "status": "OK",
        "attributes": {"command": text, "exit_code": 0, **attributes},
    }


def entry(status, begin, end=None, *commands, **more):
    return {
        "status": status,
        "timestamp": at(begin),
        "end_timestamp": None if end is None else at(end),
        "operations": list(commands),
        **more,
    }


def record(*history, status="success", created=0, ended=None, **more):
    value = {
        "task_id": "t",
        "status": status,
        "is_terminated": ended is not None,
        "create_time": at(created),
        "end_time": None if ended is None else at(ended),
        "status_history": list(history),
        **more,
    }
    return decode(msgspec.json.encode(value), TaskRecord)


def spans(task, now=NOW):
    return [(phase.kind, phase.seconds) for phase in phases(task, now)]


def total(task, now=NOW):
    return sum(phase.seconds for phase in phases(task, now))


def in_one_piece(found):
    """Each phase begins where the one before ended, but for the times between commands."""
    gaps = [(b.start - a.end).total_seconds() for a, b in itertools.pairwise(found)]
    return all(0 <= gap <= 0.5 for gap in gaps) and sum(gaps) <= 0.5


LIFE = [
    entry("pending-input", 0, 2),
    entry("submitted", 2, 43),
    entry("started", 43, 50),
    entry("computation-started", 50, 242, command("/opt/bin/solve a.json", 50.1, 241.9)),
    entry("computation-ended", 242, 244),
    entry("success", 244),
]


def test_a_life_is_told_in_the_order_of_the_phases():
    task = record(*LIFE, ended=244)

    found = phases(task, NOW)

    kinds = ["waiting", "queue", "preparing", "command", "packing"]
    assert [phase.kind for phase in found] == kinds
    assert [phase.label for phase in found] == ["Input", "Queue", "Prepare", "solve a.json", "Pack"]
    assert found[3].command == "/opt/bin/solve a.json"
    assert found[3].seconds == pytest.approx(191.8)
    assert {phase.state for phase in found} == {"done"}
    assert total(task) == pytest.approx(244, abs=1)
    assert in_one_piece(found)


def test_commands_cut_the_computation_and_longer_times_between_are_shown():
    solve = command("a", 51, 60), command("b", 60.01, 70, exit_code=3), command("c", 90, 95)
    task = record(entry("computation-started", 50, 95, *solve), entry("failed", 95), ended=95)

    found = phases(task, NOW)

    assert [(phase.label, phase.state) for phase in found if phase.command] == [
        ("a", "done"),
        ("b", "failed"),
        ("c", "done"),
    ]
    between = [phase.seconds for phase in found if phase.kind == "computing"]
    assert between == [1, 20]
    assert total(task) == pytest.approx(95, abs=1)


def test_a_hundred_short_commands_still_add_up():
    many = [command(f"c{i}", i + 0.009, i + 1) for i in range(100)]
    task = record(entry("computation-started", 0, 100, *many), entry("success", 100), ended=100)

    assert total(task) == pytest.approx(100, abs=1)


def test_a_reclaimed_machine_begins_the_loop_anew():
    task = record(
        entry("submitted", 0, 10),
        entry("started", 10, 20),
        entry("computation-started", 20, 50, command("a", 20, None)),
        entry("spot-instance-preempted", 50, 55, alias="Spot Reclaimed"),
        entry("submitted", 55, 100),
        entry("started", 100, 110),
        entry("computation-started", 110, 200, command("a", 110, 200)),
        entry("success", 201),
        ended=201,
    )

    assert spans(task) == [
        ("queue", 10),
        ("preparing", 10),
        ("command", 30),
        ("lost", 5),
        ("queue", 45),
        ("preparing", 10),
        ("command", 90),
        ("packing", 1),
    ]
    assert phases(task, NOW)[3].label == "Spot Reclaimed"
    assert total(task) == 201


def test_what_lasts_counts_until_now_and_has_no_end():
    task = record(
        entry("submitted", 0, 10),
        entry("computation-started", 10, None, command("a", 10, 20), command("b", 20, None)),
        status="computation-started",
    )

    last = phases(task, NOW)[-1]

    assert (last.label, last.state, last.end, last.seconds) == ("b", "running", None, 980)
    assert last.exit_code == 0
    assert total(task) == 1000


@pytest.mark.fault(74)
def test_a_clock_behind_the_services_gives_no_negative_time():
    task = record(entry("submitted", 50), status="submitted")

    found = phases(task, START - dt.timedelta(days=1))

    assert [(phase.kind, phase.seconds) for phase in found] == [("waiting", 50), ("queue", 0)]


def test_overlapping_stamps_add_up_to_the_total():
    task = record(
        entry("submitted", 0, 30),
        entry("started", 20, 60),
        entry("computation-started", 40, 90, command("a", 35, 95)),
        entry("computation-ended", 80, 70),
        entry("success", 100),
        ended=100,
    )

    assert total(task) == 100
    assert in_one_piece(phases(task, NOW))


def test_the_tasks_own_stamps_fill_an_incomplete_history():
    whole = decode(msgspec.json.encode(TASK), TaskRecord)
    listed = decode(msgspec.json.encode({**TASK, "status_history": []}), TaskRecord)

    assert [kind for kind, _ in spans(whole)] == [
        "waiting",
        "queue",
        "preparing",
        "command",
        "packing",
    ]
    assert [kind for kind, _ in spans(listed)] == [
        "waiting",
        "queue",
        "preparing",
        "computing",
        "packing",
    ]
    assert total(listed) == 244
    assert total(whole) == pytest.approx(244, abs=1)


def test_an_unknown_status_is_a_phase_with_its_own_word():
    task = record(
        entry("submitted", 0, 10), entry("hibernating", 10, alias="Asleep"), status="hibernating"
    )

    last = phases(task, NOW)[-1]

    assert (last.kind, last.label, last.seconds) == ("other", "Asleep", 990)


@pytest.mark.parametrize("ended", [None, 500])
def test_a_task_without_stamps_has_no_phases(ended):
    assert phases(record(created=0, ended=ended, create_time="soon"), NOW) == []


def test_every_status_has_a_kind():
    for status in STATUSES:
        (phase,) = phases(record(entry(status, 0), status=status), NOW)
        assert phase.kind in KINDS


def test_a_killed_tasks_command_ends_with_its_status():
    task = record(
        entry("computation-started", 0, 10, command("a", 1, None, exit_code=None)),
        entry("pending-kill", 10, 12),
        entry("killed", 12),
        status="killed",
        ended=12,
    )

    assert spans(task) == [("computing", 1), ("command", 9), ("stopping", 2)]


STAMPS = st.one_of(st.none(), st.just("soon"), st.integers(-50, 2000).map(at))
OPERATIONS = st.fixed_dictionaries(
    {"start_timestamp": STAMPS, "end_timestamp": STAMPS, "status": st.just("OK")},
    optional={
        "attributes": st.fixed_dictionaries({"command": st.just("a"), "exit_code": json_values})
    },
)
ENTRIES = st.fixed_dictionaries(
    {"status": st.sampled_from([*STATUSES, "new"]), "timestamp": STAMPS, "end_timestamp": STAMPS},
    optional={"operations": st.lists(OPERATIONS, max_size=3)},
)


@settings(deadline=None)
@given(history=st.lists(ENTRIES, max_size=8), ended=st.none() | st.integers(0, 2000))
def test_any_history_adds_up_and_never_overlaps(history, ended):
    task = record(*history, ended=ended, status=(history or [{}])[-1].get("status") or "failed")
    last = START + dt.timedelta(days=1)

    found = phases(task, last)

    assert all(phase.seconds >= 0 for phase in found)
    assert all(phase.end is not None for phase in found[:-1])
    assert in_one_piece(found)
    life = ended if ended is not None else 86400
    assert sum(phase.seconds for phase in found) == pytest.approx(life, abs=1)
