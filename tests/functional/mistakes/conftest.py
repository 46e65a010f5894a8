"""A user who makes mistakes: a home with nothing in it, tasks, services, and what must be said."""

from __future__ import annotations

import contextlib
import io
import shlex
import shutil
import socket
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
from scripted import ScriptedServer
from surroundings import KNOWN_HOST, WRITE

import inductiva_widgets as iw
from inductiva_widgets import backend as backends
from inductiva_widgets.api.config import ApiKey, Config
from inductiva_widgets.api.sessions import Timeouts
from inductiva_widgets.cli import program


@pytest.fixture
def refused(request):
    """Surroundings of a mistake: it must be refused in the words of the table."""
    row = request.function.row
    seen = []

    @contextlib.contextmanager
    def refused(kind, /, **values):
        with pytest.raises(kind) as caught:
            yield
        error = caught.value
        said = row.says.format(**values), row.hint.format(**values)
        assert (error.message, error.hint) == said
        seen.append(error)

    yield refused
    assert seen


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A user with nothing: no key, no engine of their own."""
    place = tmp_path / "home"
    place.mkdir()
    for name in ("INDUCTIVA_API_KEY", "INDUCTIVA_API_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("HOME", str(place))
    monkeypatch.setenv("INDUCTIVA_OUTPUT_DIR", str(tmp_path / "out"))
    monkeypatch.setenv("INDUCTIVA_WIDGETS_DATA_DIR", str(tmp_path / "own-engine"))
    monkeypatch.setattr(backends, "_default", None)
    return place


@pytest.fixture
def backend(engine, tmp_path, monkeypatch):
    """The engine, as the default backend."""
    settings = Config(
        url=engine.url,
        key=ApiKey(engine.key),
        key_source="a test",
        output_dir=tmp_path / "out",
        is_local=True,
    )
    with contextlib.closing(backends.Backend(settings)) as made:
        monkeypatch.setattr(backends, "_default", made)
        yield made


@pytest.fixture(scope="module")
def done_id(engine):
    return engine.run("python run.py", files={"run.py": WRITE})["task_id"]


@pytest.fixture
def done(backend, done_id):
    return iw.Task(done_id)


@pytest.fixture
def running(engine, backend):
    task_id = engine.submit("sleep 60")
    engine.reach(task_id, "computation-started")
    yield iw.Task(task_id)
    engine.call("POST", f"/tasks/{task_id}/kill")
    engine.finish(task_id)


@pytest.fixture
def service():
    """A service that answers by script."""
    with contextlib.closing(ScriptedServer()) as started:
        yield started


@pytest.fixture
def asking(service):
    """A backend of the scripted service that does not wait long."""
    settings = Config(url=service.url, key=ApiKey("key"), key_source="a test", output_dir=Path())
    made = backends.Backend(settings, timeouts=Timeouts(connect_s=5, read_s=0.3))
    with contextlib.closing(made):
        yield made


@pytest.fixture
def run(engine, monkeypatch, capsys):
    """The command line, for the engine, with nobody at the terminal."""

    def run(*words, piped=""):
        monkeypatch.setenv("INDUCTIVA_API_URL", engine.url)
        monkeypatch.setattr("sys.stdin", io.StringIO(piped))
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            program.main([*words])
        said = capsys.readouterr()
        return SimpleNamespace(code=ended.value.code, out=said.out, err=said.err)

    return run


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    if not shutil.which("openssl"):
        pytest.skip("openssl, which makes the certificate of the test, is missing")
    folder = tmp_path_factory.mktemp("certificate")
    subject = f"-subj /CN={KNOWN_HOST} -addext subjectAltName=DNS:{KNOWN_HOST}"
    subprocess.run(
        shlex.split(
            f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
            f" -keyout {folder}/key.pem -out {folder}/cert.pem {subject}"
        ),
        check=True,
        capture_output=True,
    )
    return folder


@pytest.fixture
def secure(certificate, monkeypatch):
    """A service over TLS with a certificate of its own, under a name that this machine knows."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    resolve = socket.getaddrinfo

    def known(host, *more, **how):
        return resolve("127.0.0.1" if host == KNOWN_HOST else host, *more, **how)

    monkeypatch.setattr(socket, "getaddrinfo", known)
    yield SimpleNamespace(port=server.server_port, certificate=str(certificate / "cert.pem"))
    server.shutdown()
    thread.join()
    server.server_close()
