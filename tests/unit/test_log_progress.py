"""Progress in simulated time: from logs and inputs that real solvers wrote, and never invented."""

from __future__ import annotations

from pathlib import Path

import pytest

from inductiva_widgets import log_progress
from inductiva_widgets.errors import UserInputError
from inductiva_widgets.log_progress import (
    LogProgress,
    Pattern,
    add_pattern,
    lammps_end,
    openfoam_end,
    patterns,
    swmm_end,
)

LOGS = Path(__file__).parents[1] / "golden" / "logs"
END_OF = {"OpenFOAM": openfoam_end, "LAMMPS": lammps_end, "SWMM": swmm_end}


def log(name):
    return (LOGS / name).read_text()


def read(text, until=None, *, end=None):
    progress = LogProgress()
    progress.feed(text if until is None else text[: text.index(until) + len(until)], 0.0)
    progress.end = end if progress.end is None else progress.end
    return progress.current


@pytest.fixture
def table(monkeypatch):
    monkeypatch.setattr(log_progress, "_patterns", list(patterns()))


@pytest.mark.parametrize(
    ("name", "until", "pattern", "value", "unit"),
    [
        ("openfoam.txt", "Time = 0.00431798\n", "OpenFOAM", 0.00431798, "s"),
        ("lammps.txt", "5.8311727", "LAMMPS", 150.0, "steps"),
        ("swmm.txt", "1     hour: 9 ", "SWMM", 33.0, "h"),
    ],
)
def test_logs_of_real_solvers_tell_how_far_they_are(name, until, pattern, value, unit):
    current = read(log(name), until)

    assert (current.pattern, current.value, current.unit) == (pattern, value, unit)
    assert current.end is None


@pytest.mark.parametrize(
    ("name", "simulator", "end"),
    [("controlDict", "OpenFOAM", 1.0), ("in.melt", "LAMMPS", 1500.0), ("site.inp", "SWMM", 58.0)],
)
def test_inputs_of_real_solvers_tell_how_far_they_will_go(name, simulator, end):
    (pattern,) = [each for each in patterns() if each.name == simulator]

    assert pattern.end_in_inputs[1](log(name)) == END_OF[simulator](log(name)) == end
    assert pattern.is_end_in({"controlDict": "case/system/controlDict"}.get(name, name))
    assert not pattern.is_end_in("README.md")


@pytest.mark.parametrize("name", ["openfoam.txt", "lammps.txt", "swmm.txt"])
def test_a_finished_log_tells_no_progress(name):
    assert read(log(name)) is None


def test_a_log_that_writes_no_times_has_no_progress():
    assert read(log("splishsplash.txt")) is None


def test_a_program_after_the_solver_is_not_taken_for_it():
    again = log("openfoam.txt") + "Time = 0.05\n\nTime = 0.1\n"

    assert read(again) is None
    assert read(again + "Starting time loop\n\nTime = 0.2\n").value == 0.2


def test_a_log_may_be_followed_from_its_middle_where_values_cannot_be_mistaken():
    assert read("Courant Number mean: 0.1\nTime = 0.35\n").value == 0.35
    assert read("   650   1.6367599     -4.7381641\n   700   1.6353652     -4.7368319\n") is None


@pytest.mark.parametrize(
    "text",
    [
        "stopAt writeNow;\nendTime 1;\n",
        "stopAt endTime;\nendTime $duration;\n",
        "// endTime 1;\n",
        "",
    ],
)
def test_an_end_that_is_not_clear_is_none(text):
    assert openfoam_end(text) is None


@pytest.mark.parametrize(
    "text", ["run ${n}\n", "run 100 upto\n", "run 100\ninclude more.in\n", "# run 100\n"]
)
def test_steps_that_are_not_clear_are_none(text):
    assert lammps_end(text) is None


def test_steps_of_all_runs_count():
    assert lammps_end("run 1000 # first\nthermo 50\n  run   500\n") == 1500


@pytest.mark.parametrize("text", ["START_DATE 11/01/2015\n", "END_DATE x\nSTART_DATE 1/1/15\n", ""])
def test_dates_that_are_not_clear_are_none(text):
    assert swmm_end(text) is None


def test_the_time_left_comes_from_the_speed_that_was_seen():
    progress = LogProgress()
    progress.end = 1.0
    left = []
    for second, value in [(0, 0.2), (2, 0.21), (10, 0.3), (20, 0.4)]:
        progress.feed(f"Time = {value}", float(second))
        left.append(progress.current.seconds_left)

    assert left[:2] == [None, None]
    assert left[2:] == pytest.approx([70.0, 60.0])


def test_the_time_left_follows_a_solver_that_becomes_slower():
    progress = LogProgress()
    progress.end = 1000.0
    for second in range(400):
        value = second if second < 200 else 200 + (second - 200) / 10
        progress.feed(f"Time = {value}", float(second))

    assert progress.current.seconds_left == pytest.approx(7800, rel=0.02)


def test_a_run_that_begins_again_forgets_its_speed():
    progress = LogProgress()
    progress.end = 10.0
    for second, value in [(0, 1), (10, 2), (11, 0.1)]:
        progress.feed(f"Time = {value}", float(second))

    assert progress.current.value == 0.1
    assert progress.current.seconds_left is None


def test_an_end_that_was_passed_is_none():
    progress = LogProgress()
    progress.end = 1.0
    progress.feed("Time = 1.5", 0.0)

    assert progress.current.end is None


def test_percent_and_the_example_of_this_package_need_no_inputs():
    current = read("time 0.050 s  2 %  step 120  front 1.02 m\n")

    assert (current.value, current.end, current.unit) == (2.0, 100.0, "%")
    assert read("35.5 % complete\n").value == 35.5
    assert read("CPU 35 %\n") is None


def test_users_teach_it_another_log(table):
    mine = Pattern("mine", r"^step (\d+)", "steps", end_in_log=r"^steps: (\d+)")
    add_pattern(mine)
    add_pattern(mine)
    current = read("steps: 400\nstep 100\n")

    assert (current.pattern, current.value, current.end) == ("mine", 100.0, 400.0)
    assert [pattern.name for pattern in patterns()].count("mine") == 1


@pytest.mark.parametrize("value", ["(", r"step \d+", r"(\d+) of (\d+)"])
def test_a_pattern_that_cannot_work_is_refused(table, value):
    before = patterns()
    with pytest.raises(UserInputError, match="mine"):
        add_pattern(Pattern("mine", value, "steps"))

    assert patterns() == before


def test_an_end_without_a_group_is_refused(table):
    with pytest.raises(UserInputError, match="end_in_log"):
        add_pattern(Pattern("mine", r"step (\d+)", "steps", end_in_log="the end"))


def test_a_group_that_took_no_part_is_no_number(table):
    add_pattern(Pattern("mine", r"step (\d+)|no step", "steps", end_in_log=r"of (\d+)|endless"))

    assert read("step 1\nno step\n") is None
    assert read("endless\nstep 3\n").end is None


def test_ten_megabytes_are_read_at_once():
    text = log("openfoam.txt").partition("\nEnd\n")[0] * 1000
    progress = LogProgress()
    progress.feed(text, 0.0)

    assert progress.current.value > 0
