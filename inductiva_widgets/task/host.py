"""The host above: views, bars and sentences for the user of this session."""

from __future__ import annotations

from typing import Any

__all__ = ["host"]


def host() -> Any:  # noqa: ANN401 - a module above this one
    """The notebook host, which the package root fills in: nothing here may import it."""
    from inductiva_widgets import _notebook_host

    return _notebook_host()
