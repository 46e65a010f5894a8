"""Measures of a machine: any table of samples becomes columns over time, or nothing."""

from __future__ import annotations

import datetime as dt
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inductiva_widgets.metrics import read_table
from inductiva_widgets.service.machine import _measures

BEGAN = dt.datetime(2025, 6, 16, 18, 17, 20, tzinfo=dt.timezone.utc)


def measured(content, began=None):
    table = read_table(content)
    assert table is not None
    start, columns, values = _measures(table, began)
    return start, {column.name: column.kind for column in columns}, values


def test_time_is_counted_from_the_start_of_the_computation():
    start, kinds, (times, cpu, written) = measured(
        b"time,command,cpu-usage,disk-output\n"
        b"2025-06-16T18:17:50+00:00,./a,50.5,10\n"
        b"2025-06-16T18:18:20+00:00,./a,--,20\n"
        b"2025-06-16T18:18:",
        BEGAN,
    )

    assert start == "2025-06-16T18:17:20.000Z"
    assert times == [30, 60]
    assert kinds == {"cpu-usage": "cpu", "disk-output": "disk-written"}
    assert cpu[0] == 50.5
    assert math.isnan(cpu[1])
    assert written == [10, 20]


@pytest.mark.parametrize(
    "began", [None, BEGAN + dt.timedelta(hours=2), BEGAN - dt.timedelta(days=1)]
)
def test_a_clock_that_is_elsewhere_counts_from_the_first_sample(began):
    _, _, (times, _) = measured(b"time,cpu\n1750097875,1\n1750097845.5,2\n", began)

    assert times == [0, 29.5]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("cpu-usage", "cpu"),
        ("CPU (%)", "cpu"),
        ("memory", "memory"),
        ("mem_used", "memory"),
        ("disk-input", "disk-read"),
        ("Disk write bytes", "disk-written"),
        ("network-received", "received"),
        ("net_bytes_sent", "sent"),
        ("temperature", None),
    ],
)
def test_charts_are_known_by_the_names_of_columns(name, kind):
    _, kinds, _ = measured(f"time,{name}\n1,2\n".encode())

    assert kinds == {name: kind}


def test_a_second_column_of_a_kind_is_one_of_its_own():
    _, kinds, _ = measured(b"time;cpu0;cpu1\n1;2;3\n")

    assert kinds == {"cpu0": "cpu", "cpu1": None}


@pytest.mark.parametrize("content", [b"time,cpu\n", b"time,cpu\nsoon,1\n", b"cpu\n\xff\n"])
def test_without_a_time_there_are_no_rows(content):
    assert measured(content) == (None, {}, [])


@given(st.binary(max_size=400))
def test_any_bytes_are_columns_of_one_length(content):
    table = read_table(content)
    if table is None:
        return
    _, columns, values = _measures(table, BEGAN)

    assert len(values) == (len(columns) + 1 if values else 0)
    assert len({len(column) for column in values}) <= 1
