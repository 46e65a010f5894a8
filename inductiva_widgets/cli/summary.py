"""Everything about a task as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inductiva_widgets.formats import file_size, parse_time, safe_text
from inductiva_widgets.tasks.rows import MISSING, moment

if TYPE_CHECKING:
    import datetime as dt

    from inductiva_widgets.api.models import Operation, StatusChange, TaskRecord

__all__ = ["summary"]

UNTIL_END = "N/A until task ends"


def summary(record: TaskRecord, now: dt.datetime) -> str:
    """Everything about a task, laid out as the official client prints it."""
    lines = [f"Task status: {record.alias}"]
    if record.reason:
        lines += ["", f"\tStatus detail: {record.reason}"]
    lines += ["", "Timeline:"]
    for change in record.status_history:
        lines += _change(record, change, now)
    metrics = record.metrics
    files = metrics.output_total_files
    lines += [
        "",
        "Data:",
        f"\tSize of zipped output:    {_size(metrics.output_zipped_size_bytes)}",
        f"\tSize of unzipped output:  {_size(metrics.output_size_bytes)}",
        f"\tNumber of output files:   {UNTIL_END if files is None else files}",
        "",
        *_costs(record),
    ]
    return "\n".join(_harmless(line) for line in lines)


def _change(record: TaskRecord, change: StatusChange, now: dt.datetime) -> list[str]:
    ended = moment(change.end_timestamp) is not None
    duration = f"{_seconds(change.timestamp, change.end_timestamp, now)} s"
    if not ended:
        duration = "" if record.is_terminated else "(ongoing)"
    alias = change.alias or change.status or MISSING
    lines = [f"\t{alias:<25} at {moment(change.timestamp) or MISSING:<20} {duration}"]
    shown = [(step, text) for step in change.operations if (text := _step(change, step))]
    for place, (step, text) in enumerate(shown):
        mark = "└" if place == len(shown) - 1 else "├"
        took = f"{_seconds(step.start_timestamp, step.end_timestamp, now)} s"
        lines.append(f"\t\t{mark}> {took:<15} {text}")
    return lines


def _step(change: StatusChange, step: Operation) -> str | None:
    command = step.attributes.get("command")
    if command is None and change.status == "spot-instance-preempted":
        command = step.alias
    return None if command is None else str(command)


def _seconds(start: str | None, end: str | None, now: dt.datetime) -> float:
    begun, until = parse_time(start), parse_time(end) or now
    return 0.0 if begun is None else round(max(0.0, (until - begun).total_seconds()), 3)


def _size(size_bytes: int | None) -> str:
    if size_bytes is None:
        return UNTIL_END
    return file_size(size_bytes) if 0 <= size_bytes < 2**63 else MISSING  # one no task can have


def _costs(record: TaskRecord) -> list[str]:
    cost, fee = record.estimated_computation_cost, record.orchestration_fee
    shown = "N/A" if not cost else f"{money(cost)} US$"
    if fee is None:
        return [f"Estimated computation cost (US$): {shown}"]
    charged = (fee.amount or 0.0) if fee.charged else 0.0
    decimals = len(money(cost).rpartition(".")[2]) if cost else 0
    return [
        f"Total estimated cost (US$): {money((cost or 0.0) + charged, decimals)} US$",
        f"\tEstimated computation cost (US$): {shown}",
        f"\tTask orchestration fee (US$): {money(charged)} US$",
    ]


def money(amount: float, least_decimals: int = 2) -> str:
    """Two decimals; below 0.1 as many as show two digits that are not leading zeros."""
    if amount == 0:
        return "0"
    if amount >= 0.1:
        return f"{amount:.2f}"
    decimals = f"{amount:.15f}".partition(".")[2]
    zeros = len(decimals) - len(decimals.lstrip("0"))
    return f"{amount:.{max(2, min(zeros, 10) + 2, least_decimals)}f}"


def _harmless(line: str) -> str:
    """One safe line; the tabs in front are ours."""
    text = line.lstrip("\t")
    return "\t" * (len(line) - len(text)) + safe_text(text, 4096)
