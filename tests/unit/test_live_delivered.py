"""Where a reading of a growing file goes on after another one was cut short."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from inductiva_widgets.live.delivered import REMEMBERED_LINES, Delivered


def delivered(lines, *, asked=10):
    made = Delivered()
    made.begin(lines[-asked:], asked)
    return made


def test_the_rest_begins_after_the_last_line():
    assert delivered(["a", "b"]).rest_of_tail(["x", "a", "b", "c"], is_whole=False) == ["c"]


def test_a_place_that_is_too_far_back_is_not_found():
    assert delivered(["a", "b"]).rest_of_tail(["c", "d"], is_whole=False) is None


def test_another_file_is_new_from_its_start():
    assert delivered(["a", "b"]).rest_of_tail(["c", "d"], is_whole=True) == ["c", "d"]


def test_the_number_of_lines_decides_between_equal_places():
    whole = ["same"] * 500

    assert delivered(["same"] * 300, asked=1000).rest_of_tail(whole, is_whole=True) == whole[300:]


def test_without_a_number_the_last_place_is_taken():
    lines = ["same"] * 300

    assert delivered(lines, asked=200).rest_of_tail(lines + ["same"] * 5, is_whole=True) == []


def test_nothing_delivered_means_all_is_new():
    assert Delivered().rest_of_tail(["a"], is_whole=True) == ["a"]
    assert Delivered().rest_of_tail(["a"], is_whole=False) is None


@given(st.integers(1, 400), st.integers(0, 6000), st.integers(1, 400))
def test_a_file_of_different_lines_goes_on_exactly(before, gained, asked):
    whole = [f"line {number}" for number in range(before + gained)]
    made = delivered(whole[:before], asked=asked)

    rest = [line for batch in made.rest_of_file(lambda: iter(whole)) for line in batch]

    assert rest == whole[before:]
    tail = whole[-(gained + REMEMBERED_LINES) :]
    assert made.rest_of_tail(tail, is_whole=len(tail) == len(whole)) == whole[before:]
