"""Whether a task runs, and the error when it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inductiva_widgets.api.models import status_info
from inductiva_widgets.errors import LiveUnavailableError
from inductiva_widgets.formats import safe_text, short_id

if TYPE_CHECKING:
    from inductiva_widgets.api.client import Client
    from inductiva_widgets.api.models import StatusReply

__all__ = ["RUNNING", "check_running", "look", "not_running"]

RUNNING = "computation-started"  # machines answer in no other status


def look(client: Client, task_id: str) -> StatusReply:
    """The status now, asked once: those who ask have a schedule of their own."""
    return client.status(task_id, retry=False)


def check_running(client: Client, task_id: str) -> None:
    """Returns if the machine of the task can be asked.

    Raises:
        LiveUnavailableError: The task does not run yet, or not any more.
    """
    found = look(client, task_id)
    if found.status != RUNNING:
        raise not_running(task_id, found)


def not_running(task_id: str, found: StatusReply) -> LiveUnavailableError:
    """Why there is nothing live."""
    word = safe_text(status_info(found.status).alias or found.status)
    if found.is_terminated:
        return LiveUnavailableError(
            f"Task {short_id(task_id)} has ended ({word}).",
            hint="Its files are in its outputs: task.get_output_info(), task.download_outputs().",
            cause="not-running",
        )
    return LiveUnavailableError(
        f"Task {short_id(task_id)} does not compute now ({word}).",
        hint="Its files can be seen while it is in progress.",
        cause="not-running",
    )
