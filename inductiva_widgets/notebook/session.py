"""What runs this code: a kernel, marimo or neither; and whether a user may see widgets."""

from __future__ import annotations

import os
import sys
from typing import Any

__all__ = ["in_kernel", "in_marimo", "is_unattended", "shell", "shows_widgets"]


def shell() -> Any:  # noqa: ANN401 - IPython's
    """IPython's shell, if this program runs in one."""
    core = sys.modules.get("IPython")
    return core.get_ipython() if core is not None else None


def in_kernel() -> bool:
    """Whether this is a Jupyter kernel, which can show widgets."""
    return getattr(shell(), "kernel", None) is not None


def in_marimo() -> bool:
    """Whether this is a notebook of marimo, which shows widgets by their bundles."""
    marimo = sys.modules.get("marimo")
    return marimo is not None and bool(marimo.running_in_notebook())


def is_unattended() -> bool:
    """Whether a kernel's notebook is run by something that shows nothing to a user.

    That is nbclient, papermill or nbconvert: they save the state of every widget, and pages made of
    that need a CDN, so that HTML is better there. Such clients allow no questions to a user, and
    front ends do. Voilà is the exception.
    """
    if not in_kernel() or os.environ.get("SERVER_SOFTWARE", "").startswith("voila"):
        return False
    parent = shell().kernel.get_parent()
    return isinstance(parent, dict) and parent.get("content", {}).get("allow_stdin") is False


def shows_widgets() -> bool:
    """Whether a user may see widgets of this session."""
    return in_marimo() or (in_kernel() and not is_unattended())
