"""Numbers, times and tables as text.

The official pages *Manage tasks* (the newer one) and *Task management* (both are in
`tests/conformance/documents/`) disagree in places; the rules chosen here, and why:

* sizes: KB = 1000 bytes with two decimals (`262.00 KB`), as the newer page and the official
  client print them; the older one's `1.64 GiB` is not produced. Views show one decimal.
* durations: `HH:MM:SS` (`00:03:12`), hours may exceed 99; the older `0h 1m 53s` is not produced.

Examples that both Python and the browser must satisfy are in `tests/golden/formats.json`.
"""

from __future__ import annotations

import datetime as dt
import decimal
import math
import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "counted",
    "file_size",
    "iso",
    "parse_time",
    "safe_text",
    "short_id",
    "text_table",
    "timespan",
    "view_duration",
    "view_size",
]

UNITS = ("B", "KB", "MB", "GB", "TB", "PB")
KILO = 1000

# Python 3.10's fromisoformat knows neither `Z` nor fractions other than 3 or 6 digits.
_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?\s*(Z|z|[+-]\d\d(?::?\d\d)?)?"
)


def file_size(size_bytes: float, *, decimals: int = 2) -> str:
    """Size with its unit, powers of 1000, whole bytes without decimals: `3.12 KB`, `242 B`."""
    value = float(size_bytes)
    for unit in UNITS:
        # The rounded value decides, or 999,999 bytes would read `1000.00 KB`.
        if round(value, decimals) < KILO or unit == UNITS[-1]:
            return f"{value:.0f} B" if unit == "B" else f"{value:.{decimals}f} {unit}"
        value /= KILO
    raise AssertionError  # the last unit always returns


def view_size(size_bytes: float | None) -> str:
    """Size as the views show it: one decimal, ties up as in the browser; unknown is `–`."""
    if size_bytes is None or not math.isfinite(size_bytes):
        return "–"
    value, unit = float(size_bytes), 0
    while value >= (KILO if unit == 0 else KILO - 0.05) and unit < len(UNITS) - 1:
        value, unit = value / KILO, unit + 1
    digits = decimal.Decimal("0.1" if unit else "1")
    return f"{decimal.Decimal(value).quantize(digits, decimal.ROUND_HALF_UP)} {UNITS[unit]}"


def timespan(seconds: float | None) -> str | None:
    """Duration as `HH:MM:SS` (`00:03:12`), cut to whole seconds; `None` stays `None`."""
    if seconds is None or not math.isfinite(seconds):
        return None
    whole = max(0, int(seconds))
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def view_duration(seconds: float | None) -> str:
    """Duration as the views show it: `7 s`, `2 min 50 s`, `1 h 02 min`; unknown is `–`."""
    if seconds is None or not math.isfinite(seconds):
        return "–"
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole // 60 % 60:02d} min"


def counted(number: int, noun: str) -> str:
    """`1 file`, `2 files`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def short_id(task_id: str, head: int = 6, tail: int = 4) -> str:
    """Id cut in the middle: `i4ir3k…w2an`. Ids that would not become shorter stay whole."""
    if len(task_id) <= head + tail + 1:
        return task_id
    return f"{task_id[:head]}…{task_id[-tail:]}"


def parse_time(text: object) -> dt.datetime | None:
    """Aware UTC time of any ISO 8601 form the service may send; `None` when it cannot be read.

    A missing zone is taken as UTC: the contract promises one, older services left it out.
    """
    if isinstance(text, str) and len(text) == 32 and text[10] == "T" and text[26:] == "+00:00":
        # As the service writes them: ten times faster, and a history holds dozens.
        try:
            return dt.datetime.fromisoformat(text)
        except ValueError:
            pass
    match = _ISO.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    micros = int((fraction or "0")[:6].ljust(6, "0"))
    try:
        moment = dt.datetime(
            int(year),
            int(month),
            int(day),
            int(hour),
            int(minute),
            int(second or 0),
            micros,
            tzinfo=dt.timezone.utc,
        )
        if zone and zone not in "Zz":
            sign, digits = (-1 if zone[0] == "-" else 1), zone[1:].replace(":", "")
            moment -= sign * dt.timedelta(hours=int(digits[:2]), minutes=int(digits[2:] or 0))
    except (ValueError, OverflowError):
        return None
    return moment


def iso(moment: dt.datetime | None) -> str | None:
    """ISO 8601 in UTC with milliseconds, as the browser's `Date` reads it everywhere."""
    if moment is None:
        return None
    utc = moment.astimezone(dt.timezone.utc)
    return utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def safe_text(text: object, limit: int = 300) -> str:
    """One harmless line: control and bidirectional marks become escapes, long text is cut."""
    line = str(text)
    if not line.isprintable():
        line = "".join(char if char.isprintable() else _visible(char) for char in line)
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _visible(char: str) -> str:
    if char in "\r\n\t":
        return " "
    if unicodedata.category(char) in ("Zs", "Zl", "Zp"):
        return " "
    return f"\\u{ord(char):04x}" if ord(char) <= 0xFFFF else f"\\U{ord(char):08x}"


def text_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], *, gap: int = 3, indent: str = " "
) -> str:
    """Left-aligned columns, `gap` spaces apart, as the command line of the service prints lists."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    lines = (
        indent + (" " * gap).join(cell.ljust(w) for cell, w in zip(row, widths, strict=True))
        for row in (header, *rows)
    )
    return "\n".join(line.rstrip() for line in lines)
