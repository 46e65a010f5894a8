"""The static form of a task or of several: text and HTML for places where no widget lives.

It states what was known and when ("as of"), and is escaped: names come from elsewhere.
No script, colours that hold on light and dark pages. A task takes less than 8 KB; of several the
first ones are shown, and the rest is counted.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from inductiva_widgets.api.models import Group, status_info
from inductiva_widgets.formats import counted, parse_time, safe_text, view_duration, view_size

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["ROWS", "html_card", "html_list", "html_note", "text_card", "text_list"]

ROWS = 20  # tasks of a list that are shown
MOST_BYTES = 8_000  # of their rows: what names in any writing may take
MOST_TEXT_BYTES = 4_000  # the same as text

# White text stands on each of them with 4.5:1 or more, whatever the page's own colour is.
_GREY = "#6b7280"
_COLOURS = {
    Group.RUNNING: "#1976d2",
    Group.STOPPING: "#b45309",
    Group.DONE: "#2e7d32",
    Group.FAILED: "#c62828",
    Group.LIMIT: "#b45309",
    Group.LOST: "#b45309",
}
_BADGE = (
    "color:#fff;font-size:12px;font-weight:600;padding:2px 10px;border-radius:12px;margin-right:8px"
)
_MOMENTS = ("Ended", "As of")
_NAMED = (*_MOMENTS, "Cost so far")  # labels that a line of text needs too
_CARD = (
    "border:1px solid rgba(128,128,128,.35);border-radius:6px;padding:12px 16px;max-width:668px;"
    "font:13px/20px system-ui,sans-serif"
)
_CELL = "text-align:left;padding:2px 12px 2px 0;white-space:nowrap"
_NUMBER = _CELL.replace("left", "right")
_COLUMNS = {
    "Status": _CELL,
    "Task": _CELL,
    "Machine": _CELL,
    "Runtime": _NUMBER,
    "Cost": _NUMBER,
    "Created": _NUMBER,
}


def text_card(task_id: str, summary: dict[str, Any]) -> str:
    """One line: `Task i4ir…: Success · 3 min 12 s · c2-standard-4 · … · ended 2026-03-01 …`."""
    if not summary.get("status"):
        return f"Task {task_id}: not asked yet"
    facts = [safe_text(summary["status_alias"])]
    for label, text in _facts(summary):
        facts.append(f"{label.lower()} {text}" if label in _NAMED else text)
    return f"Task {task_id}: " + " · ".join(facts)


def html_card(task_id: str, summary: dict[str, Any]) -> str:
    """The card as HTML."""
    alias = summary.get("status_alias") or "Not asked yet"
    colour = _COLOURS.get(status_info(str(summary.get("status"))).group, _GREY)
    name = safe_text(summary.get("simulator") or "Task")
    cells = "".join(
        f'<div><div style="font-size:11px;opacity:.7">{escape(label)}</div>{escape(text)}</div>'
        for label, text in _facts(summary)
    )
    if cells:
        cells = (
            f'<div style="display:flex;flex-wrap:wrap;gap:4px 32px;margin-top:8px">{cells}</div>'
        )
    return (
        f'<div style="{_CARD}">'
        f'<span style="{_BADGE};background:{colour}">{escape(safe_text(alias))}</span>'
        f"<b>{escape(name)}</b> <code>{escape(task_id)}</code>{cells}</div>"
    )


def text_list(rows: list[dict[str, Any]], total: int) -> str:
    """A line for each of the first tasks, and how many more there are."""
    lines = _fitting((text_card(row["task_id"], row) for row in rows), MOST_TEXT_BYTES)
    if total > len(lines):
        lines.append(f"… and {total - len(lines)} more")
    return "\n".join(lines) or "No tasks"


def html_list(rows: list[dict[str, Any]], total: int) -> str:
    """The first tasks as an HTML table.

    Args:
        rows: Summaries; one with nothing but its `task_id` was never asked for.
        total: How many tasks there are.
    """
    if total == 0:
        return html_note("No tasks")
    lines = _fitting(map(_row, rows), MOST_BYTES)
    count = len(lines)
    heads = "".join(
        f'<th style="{style};font-weight:600">{head}</th>' for head, style in _COLUMNS.items()
    )
    counts = f"{count} of {total} tasks" if count < total else f"{total} tasks"
    counts = "1 task" if total == 1 else counts
    return (
        # A page narrower than the table scrolls it, by keys as well.
        f'<div tabindex="0" style="{_CARD};max-width:900px;overflow-x:auto"><b>Tasks</b> '
        f'<span style="opacity:.7">{counts}{_as_of(rows)}</span>'
        '<table style="border-collapse:collapse;margin-top:8px">'
        f"<tr>{heads}</tr>{''.join(lines)}</table></div>"
    )


def html_note(text: str) -> str:
    """A sentence in a card."""
    return f'<div style="{_CARD}">{escape(text)}</div>'


def _fitting(lines: Iterable[str], most_bytes: int) -> list[str]:
    """The first lines that have room together."""
    found: list[str] = []
    for line in lines:
        most_bytes -= len(line.encode())
        if most_bytes < 0:
            break
        found.append(line)
    return found


def _row(summary: dict[str, Any]) -> str:
    facts = dict(_facts(summary))
    created = parse_time(summary.get("created_at"))
    status = safe_text(summary.get("status_alias") or "Not asked yet", 30)
    colour = _COLOURS.get(status_info(str(summary.get("status"))).group, _GREY)
    name = safe_text(summary.get("simulator") or "", 40)
    cells = (
        f'<span style="color:{colour}">●</span> {escape(status)}',
        f"<b>{escape(name)}</b> <code>{escape(summary['task_id'])}</code>",
        escape(safe_text(facts.get("Machine", "–"), 40)),
        facts.get("Runtime", "–"),
        escape(facts.get("Cost") or facts.get("Cost so far") or "–"),
        f"{created:%Y-%m-%d %H:%M} UTC" if created else "–",
    )
    styled = zip(cells, _COLUMNS.values(), strict=True)
    return "<tr>" + "".join(f'<td style="{style}">{cell}</td>' for cell, style in styled) + "</tr>"


def _as_of(rows: list[dict[str, Any]]) -> str:
    """When the oldest of what may have changed since was said; nothing when all have ended."""
    open_rows = [row for row in rows if not row.get("is_terminal")]
    moments = [when for row in open_rows if (when := parse_time(row.get("as_of"))) is not None]
    return f", as of {min(moments):%Y-%m-%d %H:%M:%S} UTC" if moments else ""


def _facts(summary: dict[str, Any]) -> list[tuple[str, str]]:
    """What is known, as label and text."""
    facts = []
    if summary.get("computation_seconds") is not None:
        facts.append(("Runtime", view_duration(summary["computation_seconds"])))
    if summary.get("machine_type"):
        facts.append(("Machine", safe_text(summary["machine_type"], 60)))
    if (cost := summary.get("cost")) is not None:
        unit = "US$" if cost["currency"] == "USD" else safe_text(cost["currency"], 10)
        amount = f"{unit} {cost['amount']:.2f}"
        facts.append(("Cost", amount) if cost["is_final"] else ("Cost so far", amount))
    if summary.get("output_files") is not None:
        size = summary.get("output_size_bytes")
        files = counted(summary["output_files"], "file")
        facts.append(("Outputs", f"{files}, {view_size(size)}" if size is not None else files))
    if summary.get("backend"):
        facts.append(("Backend", safe_text(summary["backend"]["name"], 60)))
    moment = summary.get("ended_at") if summary.get("is_terminal") else summary.get("as_of")
    if (when := parse_time(moment)) is not None:
        label = _MOMENTS[0] if summary.get("is_terminal") else _MOMENTS[1]
        facts.append((label, f"{when:%Y-%m-%d %H:%M:%S} UTC"))
    return facts
