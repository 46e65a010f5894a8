"""The task statuses of the service, with the texts that it sends along."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["KILLABLE", "RUNNING", "STATUSES", "TERMINAL", "WAITING", "StatusText"]


@dataclass(frozen=True, slots=True)
class StatusText:
    """What people read: `alias` in a badge, `description` in a line of progress."""

    alias: str
    description: str


STATUSES: dict[str, StatusText] = {
    "pending-input": StatusText("Waiting for Input", "Waiting for the input files."),
    "submitted": StatusText("In Queue", "Waiting for a free slot of the local engine."),
    "started": StatusText("Preparing to Compute", "The inputs are being unpacked."),
    "computation-started": StatusText("In Progress", "The simulation is running."),
    "computation-ended": StatusText("Finalizing", "The outputs are being packed."),
    "pending-kill": StatusText("Pending Kill", "The task is being stopped."),
    "success": StatusText("Success", "All commands ended without error."),
    "failed": StatusText("Failed", "A command ended with an error."),
    "killed": StatusText("Killed", "The task was stopped at the user's request."),
    "ttl-exceeded": StatusText("Task Timed Out", "The task ran longer than its time limit."),
    "executer-failed": StatusText(
        "Runtime Error", "An error outside the simulation ended the task."
    ),
    "executer-terminated": StatusText("Task Runner Terminated", "The machine was lost."),
    "executer-terminated-by-user": StatusText(
        "Machine Terminated by User", "The machine was terminated by the user."
    ),
    "executer-terminated-ttl-exceeded": StatusText(
        "Machine Time Limit Reached", "The machine reached its time limit."
    ),
    "executer-terminated-credits-exhausted": StatusText(
        "Credits Exhausted", "The machine was ended for lack of credits."
    ),
    "spot-instance-preempted": StatusText("Spot Reclaimed", "The spot machine was reclaimed."),
    "zombie": StatusText("Machine Terminated in Queue", "The machine ended before the task began."),
}

WAITING = frozenset({"pending-input", "submitted"})
RUNNING = frozenset({"started", "computation-started", "computation-ended"})
KILLABLE = WAITING | RUNNING
TERMINAL = frozenset(STATUSES) - KILLABLE - {"pending-kill"}
