"""Numbers, times and tables as the official pages and the views print them."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inductiva_widgets import formats

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "formats.json").read_text())
UTC = dt.timezone.utc


@pytest.mark.parametrize(("size", "text"), GOLDEN["sizes"])
def test_sizes_read_as_in_the_users_document(size, text):
    assert formats.file_size(size) == text


@pytest.mark.parametrize(("number", "text"), [(0, "0 files"), (1, "1 file"), (2, "2 files")])
def test_what_is_counted_has_its_plural(number, text):
    assert formats.counted(number, "file") == text


@pytest.mark.parametrize(("size", "text"), GOLDEN["view_sizes"])
def test_views_show_the_sizes_of_the_golden_file(size, text):
    assert formats.view_size(size) == text


@pytest.mark.parametrize(("seconds", "text"), GOLDEN["timespans"])
def test_timespans_read_as_in_the_users_document(seconds, text):
    assert formats.timespan(seconds) == text


@pytest.mark.parametrize(("seconds", "text"), GOLDEN["view_durations"])
def test_views_show_the_durations_of_the_golden_file(seconds, text):
    assert formats.view_duration(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"), [(1250, "1.3 KB"), (1750, "1.8 KB"), (2250, "2.3 KB"), (1150, "1.1 KB")]
)
def test_views_round_as_the_browser_does(size, text):
    assert formats.view_size(size) == text  # Number.toFixed: ties of the exact value go up


@given(st.integers(0, 10**17))
def test_a_size_in_a_view_is_within_half_of_its_last_digit(size):
    number, unit = formats.view_size(size).split(" ")
    scale = 1000 ** formats.UNITS.index(unit)
    digit = 0 if unit == "B" else scale / 10

    error = abs(decimal.Decimal(number) * scale - size)

    assert error <= digit / 2 * 1.000001
    assert decimal.Decimal(number) < 1000


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), None])
def test_what_is_no_duration_is_unknown(seconds):
    assert formats.timespan(seconds) is None
    assert formats.view_duration(seconds) == "–"


@given(st.floats(-1e15, 0))
def test_no_duration_is_negative(seconds):
    assert formats.timespan(seconds) == "00:00:00"
    assert formats.view_duration(seconds) == "0 s"


@pytest.mark.parametrize(
    ("task_id", "text"),
    [
        ("i4ir3kvv62odsfrhko4y8w2an", "i4ir3k…w2an"),
        ("12345678901", "12345678901"),
        ("123456789012", "123456…9012"),
        ("", ""),
    ],
)
def test_an_id_is_cut_in_the_middle_when_that_makes_it_shorter(task_id, text):
    assert formats.short_id(task_id) == text


# -- times ---------------------------------------------------------------------------------------

MOMENT = dt.datetime(2025, 6, 16, 18, 16, 34, tzinfo=UTC)


@pytest.mark.fault(73)
@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2025-06-16T18:16:34+00:00", MOMENT),
        ("2025-06-16T18:16:34Z", MOMENT),
        ("2025-06-16t18:16:34Z", None),
        ("2025-06-16 18:16:34z", MOMENT),
        ("2025-06-16T18:16:34", MOMENT),
        ("2025-06-16T20:16:34+02:00", MOMENT),
        ("2025-06-16T20:16:34+0200", MOMENT),
        ("2025-06-16T20:16:34+02", MOMENT),
        ("2025-06-16T12:46:34-05:30", MOMENT),
        ("2025-06-16T18:16:34.1Z", MOMENT.replace(microsecond=100_000)),
        ("2025-06-16T18:16:34,123456789Z", MOMENT.replace(microsecond=123_456)),
        ("2025-06-16T18:16:34.1234567890123Z", MOMENT.replace(microsecond=123_456)),
        ("2025-06-16T18:16Z", MOMENT.replace(second=0)),
        (" 2025-06-16T18:16:34Z ", MOMENT),
        ("0001-01-01T00:00:00Z", dt.datetime(1, 1, 1, tzinfo=UTC)),
        ("0001-01-01T00:00:00+01:00", None),
        ("9999-12-31T23:59:59Z", dt.datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("9999-12-31T23:59:59-01:00", None),
        ("2025-02-30T00:00:00Z", None),
        ("2025-06-16T24:00:00Z", None),
        ("today", None),
        ("", None),
        (None, None),
        (5, None),
    ],
)
def test_times_of_any_iso_form_are_utc_and_others_are_unknown(text, moment):
    assert formats.parse_time(text) == moment


@given(
    st.datetimes(
        dt.datetime(1900, 1, 1),  # noqa: DTZ001 - zones come from hypothesis
        dt.datetime(2200, 1, 1),  # noqa: DTZ001
        timezones=st.timezones() | st.builds(dt.timezone, st.just(dt.timedelta(hours=3))),
    ).filter(lambda moment: moment.utcoffset().total_seconds() % 60 == 0)
)
def test_every_zone_is_read_as_python_writes_it(moment):
    assert formats.parse_time(moment.isoformat()) == moment.astimezone(UTC)


@pytest.mark.fault(73)
@given(st.text() | st.integers() | st.none() | st.lists(st.integers()))
def test_reading_a_time_never_raises(value):
    formats.parse_time(value)


def test_a_time_is_written_as_browsers_read_it():
    zone = dt.timezone(dt.timedelta(hours=2))

    assert formats.iso(MOMENT) == "2025-06-16T18:16:34.000Z"
    assert formats.iso(MOMENT.astimezone(zone)) == "2025-06-16T18:16:34.000Z"
    assert formats.iso(None) is None


# -- text ----------------------------------------------------------------------------------------


@given(st.text(), st.integers(1, 400))
def test_safe_text_is_one_printable_line_within_its_limit(text, limit):
    safe = formats.safe_text(text, limit)

    assert len(safe) <= limit
    assert all(char.isprintable() for char in safe)
    assert not {unicodedata.category(char) for char in safe} & {"Cc", "Cf", "Cs", "Zl", "Zp"}


@given(st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=300))
def test_safe_text_keeps_plain_text(text):
    assert formats.safe_text(text) == text


@pytest.mark.fault(105)
def test_marks_that_would_act_are_shown():
    assert (
        formats.safe_text("\x1b[31m\u202egpj.exe\nx\ty\0") == "\\u001b[31m\\u202egpj.exe x y\\u0000"
    )


def test_a_table_has_aligned_columns_and_no_blanks_at_line_ends():
    text = formats.text_table(["ID", "Status"], [["a", "success"], ["long-id", ""]])

    assert text.splitlines() == [" ID        Status", " a         success", " long-id"]


def test_a_table_without_rows_is_its_header():
    assert formats.text_table(["ID", "Status"], []) == " ID   Status"
