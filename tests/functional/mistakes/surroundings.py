"""What the tests of mistakes share beside their fixtures."""

from __future__ import annotations

import contextlib

import inductiva_widgets as iw

KNOWN_HOST = "service.test"
WRITE = """
import pathlib
pathlib.Path("vtk").mkdir()
for name in ("results.csv", "vtk/a.vtk", "vtk/b.vtk"):
    pathlib.Path(name).write_text(f"content of {name}")
"""


@contextlib.contextmanager
def connected(**how):
    with contextlib.closing(iw.connect(**how)) as made:
        yield made


def look(address):
    """Asks a service who one is; once, as there is nothing to wait for."""
    with connected(key="key", url=address) as backend:
        backend.client._get("/users/info", retry=False)
