"""A development engine for one machine: it speaks the REST contract and really runs commands.

Importing this package costs nothing: what it offers is loaded on first use, and neither Starlette
nor uvicorn enters a process that only looks for a running engine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inductiva_widgets.local.server import EngineInfo, find, serve, start, stop
    from inductiva_widgets.local.settings import EngineSettings, data_dir, default_data_dir

__all__ = [
    "EngineInfo",
    "EngineSettings",
    "data_dir",
    "default_data_dir",
    "find",
    "serve",
    "start",
    "stop",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from inductiva_widgets.local import server, settings

    return getattr(settings if hasattr(settings, name) else server, name)


def __dir__() -> list[str]:
    return sorted(__all__)
