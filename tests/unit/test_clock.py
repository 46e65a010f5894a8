"""The service's time, from the whole seconds of its answers."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inductiva_widgets.api.clock import ServerClock

UTC = dt.timezone.utc
START = 1_750_000_000.0


class World:
    """True time, a machine whose clock is wrong by `skew_s`, and a service that is right."""

    def __init__(self, skew_s=0.0):
        self.true_s = START
        self.skew_s = skew_s
        self.clock = ServerClock(
            wall=lambda: self.true_s + self.skew_s, monotonic=lambda: self.true_s - START + 5.0
        )

    def answer(self):
        self.clock.observe(dt.datetime.fromtimestamp(int(self.true_s), UTC))

    def error_s(self):
        return abs(self.clock.now().timestamp() - self.true_s)


def test_without_an_answer_it_is_this_machines_clock():
    world = World(skew_s=3600.0)

    assert world.clock.offset_s == 0
    assert world.error_s() == pytest.approx(3600.0)


@pytest.mark.fault(74)
@given(
    skew_s=st.floats(-86_400, 86_400),
    pauses=st.lists(st.floats(0.001, 300), min_size=1, max_size=20),
)
def test_whatever_the_skew_one_answer_brings_it_within_a_second(skew_s, pauses):
    world = World(skew_s)

    for pause in pauses:
        world.true_s += pause
        world.answer()
        assert world.error_s() <= 1.001


def test_more_answers_narrow_it():
    world = World(skew_s=100.0)
    for _ in range(50):
        world.true_s += 1.037
        world.answer()

    assert world.error_s() < 0.1


def test_a_right_clock_stays_untouched():
    world = World()
    for _ in range(20):
        world.true_s += 0.7
        world.answer()

    assert world.clock.offset_s == pytest.approx(0.0, abs=1e-6)


@pytest.mark.fault(74)
def test_setting_this_machines_clock_does_not_move_it():
    world = World()
    world.answer()
    before = world.clock.now()

    world.skew_s = 86_400.0
    world.true_s += 10

    assert world.clock.now() - before == dt.timedelta(seconds=10)


def test_setting_the_services_clock_is_followed():
    world = World()
    world.answer()

    world.clock.observe(dt.datetime.fromtimestamp(world.true_s - 7200, UTC))

    assert world.clock.now().timestamp() == pytest.approx(world.true_s - 7200, abs=1.0)


def test_an_answer_without_a_date_changes_nothing():
    world = World(skew_s=5.0)
    world.clock.observe(None)

    assert world.clock.offset_s == 0


@pytest.mark.parametrize("year", [1, 1970, 9000, 9998, 9999])
def test_an_absurd_date_never_breaks_it(year):
    world = World()
    world.clock.observe(dt.datetime(year, 12, 31, 23, 59, 59, tzinfo=UTC))
    world.true_s += 3600

    assert world.clock.now().tzinfo is UTC
