"""Backends for tests: of the real engine, and of a service that answers by script."""

from __future__ import annotations

from inductiva_widgets.api.config import ApiKey, Config
from inductiva_widgets.api.sessions import Timeouts
from inductiva_widgets.backend import Backend


def backend_at(url, key, output_dir, *, is_local):
    settings = Config(
        url=url, key=ApiKey(key), key_source="a test", output_dir=output_dir, is_local=is_local
    )
    return Backend(settings, timeouts=Timeouts(connect_s=2.0, read_s=5.0))
