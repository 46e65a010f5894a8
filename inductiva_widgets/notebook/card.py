"""The static form of a task: text and HTML for places where no widget lives.

It says by itself what was known and when ("as of"), and is escaped: names come from elsewhere.
Under 8 KB, no script, colours that hold on light and dark pages.
"""

from __future__ import annotations

from html import escape
from typing import Any

from inductiva_widgets.api.models import Group, status_info
from inductiva_widgets.formats import parse_time, safe_text, view_duration, view_size

__all__ = ["html_card", "text_card"]

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
_CARD = (
    "border:1px solid rgba(128,128,128,.35);border-radius:6px;padding:12px 16px;max-width:668px;"
    "font:13px/20px system-ui,sans-serif"
)


def text_card(task_id: str, summary: dict[str, Any]) -> str:
    """One line: `Task i4ir…: Success · 3 min 12 s · c2-standard-4 · … · ended 2026-03-01 …`."""
    if not summary.get("status"):
        return f"Task {task_id}: not asked yet"
    facts = [safe_text(summary["status_alias"])]
    for label, text in _facts(summary):
        facts.append(f"{label.lower()} {text}" if label in _MOMENTS else text)
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
    return (
        f'<div style="{_CARD}">'
        f'<span style="{_BADGE};background:{colour}">{escape(safe_text(alias))}</span>'
        f"<b>{escape(name)}</b> <code>{escape(task_id)}</code>"
        f'<div style="display:flex;flex-wrap:wrap;gap:4px 32px;margin-top:8px">{cells}</div></div>'
    )


def _facts(summary: dict[str, Any]) -> list[tuple[str, str]]:
    """What is known, as label and text."""
    facts = []
    if summary.get("computation_seconds") is not None:
        facts.append(("Runtime", view_duration(summary["computation_seconds"])))
    if summary.get("machine_type"):
        facts.append(("Machine", safe_text(summary["machine_type"], 60)))
    if summary.get("output_files") is not None:
        size = summary.get("output_size_bytes")
        files = f"{summary['output_files']} files"
        facts.append(("Outputs", f"{files}, {view_size(size)}" if size is not None else files))
    if summary.get("backend"):
        facts.append(("Backend", safe_text(summary["backend"]["name"], 60)))
    moment = summary.get("ended_at") if summary.get("is_terminal") else summary.get("as_of")
    if (when := parse_time(moment)) is not None:
        label = _MOMENTS[0] if summary.get("is_terminal") else _MOMENTS[1]
        facts.append((label, f"{when:%Y-%m-%d %H:%M:%S} UTC"))
    return facts
