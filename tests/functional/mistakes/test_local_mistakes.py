"""Mistakes with the local engine and the Jupyter server."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import sys

import pytest
from lab_server import Server
from mistake_table import HERE, mistake
from surroundings import connected

import inductiva_widgets as iw
from inductiva_widgets import errors


@pytest.mark.fault(114)
@mistake(
    HERE,
    "The engine's port is taken",
    "Port {port} cannot be used: {reason}.",
    "Choose another port, or 0 for a free one.",
)
def test_taken_port(refused, tmp_path, start_engine):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        reason = "[Errno 98] Address already in use"
        with refused(errors.LocalEngineError, port=port, reason=reason):
            iw.local.serve(port=port, data_dir=tmp_path / "engine")

    assert start_engine(folder=tmp_path / "engine").get("/tasks")["tasks"] == []


@pytest.mark.fault(115)
@mistake(
    HERE,
    "An engine is started a second time",
    "Another local engine (process {pid}, {url}) owns the folder {folder}.",
    "Use that one, stop it, or choose another folder.",
)
def test_second_engine(refused, engine):
    values = {"pid": engine.pid, "url": engine.url, "folder": engine.data_dir}
    with refused(errors.EngineBusyError, **values):
        iw.local.serve(port=0, data_dir=engine.data_dir)

    with connected(local=True, data_dir=engine.data_dir) as backend:
        assert backend.config.url == engine.url


@pytest.mark.fault(109)
@mistake(
    HERE,
    "The panel or a cell cannot reach the Jupyter server's part, or that is not installed",
    "The Jupyter server did not answer ({reason})",
    "Check that it runs and that inductiva_widgets is installed beside it.",
)
def test_server_extension_missing():
    """What the panel says is held by `js/test/browser/server-connection.test.ts`."""
    command = [sys.executable, "-m", "jupyter", "server", "extension", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    told = re.sub(r"\x1b\[\d*m", "", listed.stdout + listed.stderr)
    assert re.search(r"inductiva_widgets\s+enabled", told)
    assert re.search(r"inductiva_widgets \S+ OK", told)


@pytest.mark.fault(109)
@mistake(
    HERE,
    "The package was brought up to date, and the Jupyter server still runs the older one",
    "The Jupyter server runs {server}, this page has version {page}",
    "Restart the Jupyter server. If this stays, run `pip install -U inductiva_widgets` where it is"
    " installed, and restart it again.",
)
def test_older_server_extension(tmp_path):
    """What the panel says is held by `js/test/unit/version.test.ts`."""
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "sitecustomize.py").write_text(
        "import inductiva_widgets\ninductiva_widgets.__version__ = '0.0.1'\n"
    )

    with contextlib.closing(Server(tmp_path, PYTHONPATH=str(tmp_path / "old"))) as server:
        assert server.backends()["version"] == "0.0.1"
        server.close()
        del server.environment["PYTHONPATH"]
        server.start()
        assert server.backends()["version"] == iw.__version__
