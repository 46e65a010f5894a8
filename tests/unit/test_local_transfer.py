"""Byte ranges as RFC 9110 § 14 has them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inductiva_widgets.local.transfer import byte_ranges


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", [(0, 0)]),
        ("bytes=0-", [(0, 99)]),
        ("bytes=-1", [(99, 99)]),
        ("bytes=-500", [(0, 99)]),
        ("bytes= 1-2 , 5-", [(1, 2), (5, 99)]),
        ("bytes=100-", []),
        ("bytes=-0", []),
        ("bytes=200-300,1-1", [(1, 1)]),
        ("bytes=2-1", None),
        ("bytes=", None),
        ("bytes=1", None),
        ("bytes=--1", None),
        ("items=0-1", None),
        ("bytes=0-1,", None),
        ("bytes=0-" + "9" * 5000, None),
        ("bytes=٣-٤", None),
    ],
)
def test_headers_mean_what_the_standard_says(header, expected):
    assert byte_ranges(header, 100) == expected


@pytest.mark.parametrize("header", ["bytes=0-", "bytes=-1", "bytes=0-0"])
def test_an_empty_file_has_no_range(header):
    assert byte_ranges(header, 0) == []


@given(st.text(alphabet="bytes=0123456789-, ", max_size=30), st.integers(0, 1000))
def test_whatever_is_sent_the_ranges_lie_inside_the_file(text, size):
    for begin, end in byte_ranges("bytes=" + text, size) or []:
        assert 0 <= begin <= end < size
