"""The notebook host: a layer above, so the package root provides it and nothing imports it."""

from __future__ import annotations

from typing import Any

__all__ = ["host", "views"]


def host() -> Any:  # noqa: ANN401 - a module above this one
    """Sentences, bars and waits for the user of this session; loads no widgets."""
    from inductiva_widgets import _notebook

    return _notebook("waiting")


def views() -> Any:  # noqa: ANN401 - a module above this one
    """Live views and what a display shows; loads the widgets."""
    from inductiva_widgets import _notebook

    return _notebook("display")
