"""Submitting a task: its description checked, its inputs packed, sent and confirmed.

Requests and their order are those of the official client, so that both send the same bodies for
the same run.
"""

from inductiva_widgets.submit.again import Changes, Options, changed, check_changes
from inductiva_widgets.submit.description import Command, Description, check_metadata
from inductiva_widgets.submit.inputs import (
    check_inputs,
    inputs_missing,
    pack_inputs,
    packed_inputs,
    stored_inputs,
)
from inductiva_widgets.submit.plan import DryRun, Prepared, prepare, rehearse, send

__all__ = [
    "Changes",
    "Command",
    "Description",
    "DryRun",
    "Options",
    "Prepared",
    "changed",
    "check_changes",
    "check_inputs",
    "check_metadata",
    "inputs_missing",
    "pack_inputs",
    "packed_inputs",
    "prepare",
    "rehearse",
    "send",
    "stored_inputs",
]
