"""The JupyterLab host: a server extension that carries the views' messages, and nothing else."""

from __future__ import annotations

from typing import Any

NAME = "inductiva-widgets"


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "labextension", "dest": NAME}]


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "inductiva_widgets"}]


def _load_jupyter_server_extension(server_app: Any) -> None:  # noqa: ANN401 - ServerApp, untyped
    from inductiva_widgets.lab.handlers import add_handlers

    add_handlers(server_app)
