"""Which byte ranges are asked for: they cover what is needed and never overlap."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inductiva_widgets.outputs.ranges import ByteRange, extent_ends, merge, plan, split, subtract

MB = 1000 * 1000


@st.composite
def extents(draw):
    position, found = 0, []
    for gap, length in draw(
        st.lists(st.tuples(st.integers(0, 600_000), st.integers(0, 20 * MB)), max_size=30)
    ):
        position += gap
        found.append(ByteRange(position, position + length))
        position += length
    return draw(st.permutations(found))


def covers(spans, extent):
    """Whether every byte of `extent` is in one of the sorted, disjoint `spans`."""
    position = extent.start
    for span in spans:
        if span.start <= position < span.end:
            position = span.end
    return position >= extent.end


@given(extents(), st.integers(1, 16), st.integers(0, 600_000), st.floats(0, 2))
def test_plan_covers_all_and_overlaps_nothing(wanted, workers, gap, overfetch):
    chunks = plan(wanted, workers=workers, gap_bytes=gap, overfetch=overfetch)

    assert all(a.end <= b.start for a, b in itertools.pairwise(chunks))
    assert all(covers(chunks, extent) for extent in wanted)


@given(extents(), st.integers(0, 600_000), st.floats(0, 2))
def test_merge_fetches_no_more_than_allowed(wanted, gap, overfetch):
    useful = sum(map(len, wanted))

    fetched = sum(map(len, merge(wanted, gap_bytes=gap, overfetch=overfetch)))

    assert useful <= fetched <= useful * (1 + overfetch)


@given(extents(), st.integers(1, 16), st.integers(MB, 9 * MB))
def test_split_changes_no_byte_and_keeps_the_limit(wanted, workers, limit):
    spans = merge(wanted, gap_bytes=0)

    chunks = split(spans, workers=workers, chunk_bytes=limit)

    assert all(0 < len(chunk) <= limit for chunk in chunks)
    assert merge(chunks, gap_bytes=0) == spans


def test_a_gap_at_the_limit_is_closed_and_one_beyond_is_not():
    near = merge([ByteRange(0, 300), ByteRange(400, 700)], gap_bytes=100)
    far = merge([ByteRange(0, 300), ByteRange(401, 700)], gap_bytes=100)

    assert near == [ByteRange(0, 700)]
    assert far == [ByteRange(0, 300), ByteRange(401, 700)]


def test_small_gaps_are_closed_before_large_ones_when_traffic_is_scarce():
    wanted = [ByteRange(0, 50), ByteRange(155, 205), ByteRange(215, 225)]

    assert merge(wanted, gap_bytes=200) == [ByteRange(0, 50), ByteRange(155, 225)]


def test_extents_end_at_the_next_member_or_at_the_directory():
    assert extent_ends([500, 0, 100], [50, 40, 60], [999, 999, 999], 700) == [700, 100, 500]


def test_extents_do_not_swallow_what_is_nobodys():
    assert extent_ends([0, 10_000], [40, 40], [200, 200], 20_000) == [200, 10_200]


@pytest.mark.fault(47, 48)
def test_overlapping_members_and_members_beyond_the_end_have_no_extent():
    assert extent_ends([0, 50], [60, 60], [99, 99], 200) == [None, None]
    assert extent_ends([0, 0], [60, 60], [99, 99], 200) == [None, None]
    assert extent_ends([0, 190], [60, 60], [99, 99], 200) == [99, None]
    assert extent_ends([0, 500], [60, 60], [99, 99], 200) == [99, None]


def test_header_counts_ends_inclusive():
    assert ByteRange(5, 10).header == "bytes=5-9"


@given(st.data())
def test_what_is_done_is_not_planned_again_and_nothing_is_left_out(data):
    points = sorted(data.draw(st.sets(st.integers(0, 400), min_size=2, max_size=24)))
    spans = [ByteRange(a, b) for a, b in itertools.pairwise(points)]
    extents = data.draw(st.lists(st.sampled_from(spans), unique=True))
    marks = sorted(data.draw(st.sets(st.integers(0, 400), max_size=12)))
    done = [ByteRange(a, b) for a, b in zip(marks[::2], marks[1::2], strict=False)]

    chunks = plan(extents, done=done, workers=3, gap_bytes=20, chunk_bytes=50)

    def covered(ranges):
        return [byte for part in ranges for byte in range(part.start, part.end)]

    fetched = covered(chunks)
    assert len(fetched) == len(set(fetched))
    assert not set(fetched) & set(covered(done))
    assert set(covered(extents)) <= set(fetched) | set(covered(done))
    assert plan(extents, done=[*done, *chunks], gap_bytes=20) == []
    assert set(covered(subtract(extents, done))) == set(covered(extents)) - set(covered(done))


@given(extents(), st.integers(1, 16), st.integers(2, 8))
def test_open_connections_share_what_is_worth_no_other(wanted, workers, open_connections):
    chunks = plan(wanted, workers=workers, smallest_bytes=4 * MB, open_connections=open_connections)

    assert all(a.end <= b.start for a, b in itertools.pairwise(chunks))
    assert all(covers(chunks, extent) for extent in wanted)


def test_three_megabytes_go_to_the_six_connections_that_are_open():
    chunks = plan([ByteRange(0, 3 * MB)], workers=16, smallest_bytes=4 * MB, open_connections=6)

    assert [len(chunk) for chunk in chunks] == [500_000] * 6
