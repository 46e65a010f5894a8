"""Run by the official client's own Python: what it says about a running task, as JSON.

    python live_steps.py TASK_ID GATE

The gate is a file that lets the task end, once its log is followed.
"""

from __future__ import annotations

import io
import json
import sys
import threading
from pathlib import Path

import inductiva  # noqa: TID251 - this program is the official client's own


class Followed(io.StringIO):
    """Opens the gate with the first lines that are followed."""

    def write(self, text):
        if "ready" in text:
            Path(sys.argv[2]).touch()
        return super().write(text)


def printed(call, *arguments):
    """What a call that prints has printed."""
    paper = io.StringIO()
    call(*arguments, fout=paper)
    return paper.getvalue()


task = inductiva.tasks.Task(sys.argv[1])
found = {
    "list_files": task.list_files(),
    "top": task._top(),
    "last_modified_file": task.last_modified_file(),
    "tail": printed(task.tail_files, ["stdout.txt"], 2, False),
    "empty": printed(task.tail_files, ["empty.txt"], 2, False),
    "unknown": printed(task.tail_files, ["nope.txt"], 2, False),
    "binary": printed(task.tail_files, ["data.bin"], 2, False),
}
follower = Followed()
opener = threading.Timer(60.0, Path(sys.argv[2]).touch)  # a follower that hears nothing is no hang
opener.start()
task.tail_files(["stdout.txt", "stderr.txt"], 3, True, fout=follower)
opener.cancel()
found["followed"] = follower.getvalue()
print(json.dumps(found))  # noqa: T201 - the report
