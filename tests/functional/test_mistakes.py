"""What people do wrong: the message names the cause, and the next step that it tells works.

Each test makes one mistake, compares what is said with its row of the table, and then does what
the row tells. `docs/troubleshooting.md` is written from the rows by
`python tests/functional/test_mistakes.py`.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import socket
import ssl
import stat
import subprocess
import sys
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
from lab_server import Server

sys.path.insert(0, str(Path(__file__).parents[1]))

from scripted import RESET, SILENCE, Answer, ScriptedServer, ok, refusal

import inductiva_widgets as iw
from inductiva_widgets import backend as backends
from inductiva_widgets import errors
from inductiva_widgets.api.config import ApiKey, Config
from inductiva_widgets.api.sessions import Timeouts
from inductiva_widgets.cli import program
from inductiva_widgets.outputs.folder import OutputFolder

REPOSITORY = Path(__file__).parents[2]
PAGE = REPOSITORY / "docs" / "troubleshooting.md"
KNOWN_HOST = "service.test"
WRITE = """
import pathlib
pathlib.Path("vtk").mkdir()
for name in ("results.csv", "vtk/a.vtk", "vtk/b.vtk"):
    pathlib.Path(name).write_text(f"content of {name}")
"""


@dataclass(frozen=True)
class Row:
    """`says` and `hint` have names in braces for what differs from case to case."""

    section: str
    what: str
    says: str
    hint: str

    def __str__(self) -> str:
        cells = [self.what, self.says.format_map(Dots()), self.hint.format_map(Dots())]
        return f"| {' | '.join(cells)} |"


class Dots(dict):
    """Stands for whatever differs from case to case."""

    def __missing__(self, name):
        return "…"


ROWS: list[Row] = []


def mistake(section, what, says, hint):
    """A test of one mistake, and its row of the table."""

    def of(test):
        test.row = Row(section, what, says, hint)
        ROWS.append(test.row)
        return test

    return of


def page() -> str:
    """`docs/troubleshooting.md`."""
    text = [
        "# Troubleshooting",
        "",
        "What is said, why, and what to do next. Errors in Python, in the views and of the",
        "command line have the same texts; … stands for what differs. In Python the two parts",
        "are `error.message` and `error.hint`, and `error.retryable` tells whether the same call",
        "may succeed later. `iw.config()` and `inductiva-widgets auth status` tell which service,",
        "key and folders are used, and where each comes from.",
    ]
    for section in dict.fromkeys(row.section for row in ROWS):
        text += ["", f"## {section}", "", "| What happened | What is said | What to do |"]
        text += ["|---|---|---|"]
        text += [str(row) for row in ROWS if row.section == section]
    return "\n".join(text) + "\n"


# -- the surroundings ----------------------------------------------------------------------------


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


@contextlib.contextmanager
def connected(**how):
    with contextlib.closing(iw.connect(**how)) as made:
        yield made


def look(address):
    """Asks a service who one is; once, as there is nothing to wait for."""
    with connected(key="key", url=address) as backend:
        backend.client._get("/users/info", retry=False)


def official_task(task_id, host, key):
    """What a task of the official client is, as far as it matters."""
    configuration = SimpleNamespace(host=host, api_key={"APIKeyHeader": key})
    api = SimpleNamespace(api_client=SimpleNamespace(configuration=configuration))
    made = type("Task", (), {"__module__": "inductiva.tasks.task"})()
    made.id, made._api = task_id, api
    return made


# -- key and address -----------------------------------------------------------------------------

KEYS = "Key and address"
NO_KEY = (
    "Neither INDUCTIVA_API_KEY nor the file {path} holds one: set the variable, or write the file"
    " with `inductiva-widgets auth login`."
)


@pytest.mark.fault(89)
@mistake(
    KEYS,
    "There is no key, and the local engine was not wanted",
    "No API key was found.",
    NO_KEY,
)
def test_no_key(refused, run, engine, home):
    with refused(errors.ConfigurationError, path=home / ".inductiva" / "api_key"):
        iw.connect(local=False)

    assert run("auth", "login", piped=engine.key).code == 0
    with connected(local=False) as backend:
        assert iw.tasks.get(backend=backend) is not None


@pytest.mark.fault(89)
@mistake(
    KEYS,
    "`connect(url=…)` names a service, and there is no key for it",
    "No API key was found.",
    NO_KEY,
)
def test_address_without_a_key(refused, run, engine, home, monkeypatch):
    monkeypatch.setenv("INDUCTIVA_WIDGETS_LOCAL", "1")  # an argument comes before it
    with refused(errors.ConfigurationError, path=home / ".inductiva" / "api_key"):
        iw.connect(url=engine.url)
    assert iw.local.find() is None

    assert run("auth", "login", piped=engine.key).code == 0
    with connected(url=engine.url) as backend:
        assert iw.tasks.get(backend=backend) is not None


@pytest.mark.fault(89)
@mistake(
    KEYS,
    "INDUCTIVA_API_URL is set, and there is no key (a line of `iw.connect()`)",
    "No API key found, so the address in INDUCTIVA_API_URL is not used: tasks run on this machine"
    " (local engine, {url}).",
    "Set INDUCTIVA_API_KEY, or write the key with `inductiva-widgets auth login`.",
)
def test_address_of_the_environment_without_a_key(request, run, engine, monkeypatch, capsys):
    monkeypatch.setenv("INDUCTIVA_API_URL", "https://service.test")
    monkeypatch.setenv("INDUCTIVA_WIDGETS_DATA_DIR", str(engine.data_dir))
    with connected() as backend:
        said = request.function.row.says.format(url=backend.config.url)
    assert capsys.readouterr().out == said + "\n"

    assert run("auth", "login", piped=engine.key).code == 0
    with connected() as backend:
        assert backend.config.url_source == "the variable INDUCTIVA_API_URL"


@pytest.mark.fault(98)
@pytest.mark.parametrize("key", [None, "key"])
def test_a_wrong_address_is_told_with_a_key_and_without(key, monkeypatch):
    with pytest.raises(errors.ConfigurationError, match="http"):
        iw.connect(key=key, url="service.test")

    monkeypatch.setenv("INDUCTIVA_API_URL", "service.test")
    with pytest.raises(errors.ConfigurationError, match="http"):
        iw.connect(key=key)


@pytest.mark.fault(89)
@mistake(
    KEYS,
    "The key is wrong, expired, or that of another service",
    "The service refused the API key (401): {reason}",
    "Check the key: INDUCTIVA_API_KEY, or `inductiva-widgets auth login`.",
)
def test_wrong_key(refused, run, engine, monkeypatch):
    headers = {"X-API-Key": "another"}
    reason = engine.call("GET", "/tasks", headers=headers).json()["detail"]
    monkeypatch.setenv("INDUCTIVA_API_URL", engine.url)
    with (
        connected(key="another") as backend,
        refused(errors.AuthenticationError, reason=reason),
    ):
        iw.tasks.get(backend=backend)

    assert run("auth", "login", piped=engine.key).code == 0
    with connected() as backend:
        assert iw.tasks.get(backend=backend) is not None


@pytest.mark.fault(89)
@mistake(
    KEYS,
    "The key has a line break or quotes inside",
    "The API key from {place} has characters that no key has.",
    "A key holds letters, digits, '.', '_' and '-' only: copy it again.",
)
def test_key_with_a_line_break(refused, engine, monkeypatch):
    monkeypatch.setenv("INDUCTIVA_API_KEY", f"{engine.key[:5]}\n{engine.key[5:]}")
    with refused(errors.ConfigurationError, place="INDUCTIVA_API_KEY"):
        iw.connect(url=engine.url)

    monkeypatch.setenv("INDUCTIVA_API_KEY", f"{engine.key}\n")
    with connected(url=engine.url) as backend:
        assert iw.tasks.get(backend=backend) is not None


@pytest.mark.fault(89)
@mistake(
    KEYS,
    "The key given is empty, as of a variable that is not set",
    "The API key from {place} is empty.",
    "Copy it again, or leave it out to use INDUCTIVA_API_KEY or the key file.",
)
def test_empty_key(refused, engine, monkeypatch):
    with refused(errors.ConfigurationError, place="the argument"):
        iw.connect(key=" ", url=engine.url)

    monkeypatch.setenv("INDUCTIVA_API_KEY", engine.key)
    with connected(url=engine.url) as backend:
        assert iw.tasks.get(backend=backend) is not None


@pytest.mark.fault(90)
@mistake(
    KEYS,
    "Others can read the key file (a warning of `iw.config()`)",
    "Others can read the key file {path}.",
    "`inductiva-widgets auth login` fixes it, and so does `chmod 600 {path}`.",
)
def test_key_file_readable_by_others(request, home):
    path = home / ".inductiva" / "api_key"
    path.parent.mkdir()
    path.write_text("key")
    path.chmod(0o644)
    row = request.function.row
    assert f"{row.says} {row.hint}".format(path=path) in iw.config().warnings

    subprocess.run(["chmod", "600", path], check=True)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert iw.config().warnings == ()


@pytest.mark.fault(89)
@mistake(
    KEYS,
    "The key file is no file, or is of another user",
    "The key file {path} cannot be read.",
    "Write it anew with `inductiva-widgets auth login`, or set INDUCTIVA_API_KEY.",
)
def test_key_file_that_cannot_be_read(refused, home, engine, monkeypatch):
    path = home / ".inductiva" / "api_key"
    path.mkdir(parents=True)
    with refused(errors.ConfigurationError, path=path):
        iw.connect(url=engine.url)

    monkeypatch.setenv("INDUCTIVA_API_KEY", engine.key)
    with connected(url=engine.url) as backend:
        assert iw.tasks.get(backend=backend) is not None


@pytest.mark.fault(98)
@mistake(
    KEYS,
    "INDUCTIVA_API_URL has no scheme",
    "The service's address needs http(s):// and a host.",
    "Set INDUCTIVA_API_URL to an address such as https://api.inductiva.ai.",
)
def test_address_without_scheme(refused, engine, monkeypatch):
    monkeypatch.setenv("INDUCTIVA_API_KEY", engine.key)
    monkeypatch.setenv("INDUCTIVA_API_URL", engine.url.removeprefix("http://"))
    with refused(errors.ConfigurationError):
        iw.connect()

    monkeypatch.setenv("INDUCTIVA_API_URL", engine.url)
    with connected() as backend:
        assert iw.tasks.get(backend=backend) is not None


@pytest.mark.fault(98)
@mistake(
    KEYS,
    "INDUCTIVA_API_URL is plain http to another machine",
    "Plain http to {host} would show the API key to the network.",
    "Use https; plain http is for this machine only.",
)
def test_plain_http(refused, secure, monkeypatch):
    with refused(errors.ConfigurationError, host=KNOWN_HOST):
        iw.connect(key="key", url=f"http://{KNOWN_HOST}:{secure.port}")

    monkeypatch.setenv("REQUESTS_CA_BUNDLE", secure.certificate)
    look(f"https://{KNOWN_HOST}:{secure.port}")


@pytest.mark.fault(98)
@mistake(
    KEYS,
    "INDUCTIVA_API_URL holds a user and a password",
    "The service's address must not hold credentials.",
    "Set INDUCTIVA_API_URL to an address such as https://api.inductiva.ai.",
)
def test_address_with_credentials(refused, engine):
    with refused(errors.ConfigurationError):
        iw.connect(key=engine.key, url=engine.url.replace("//", "//me:word@"))

    with connected(key=engine.key, url=engine.url) as backend:
        assert iw.tasks.get(backend=backend) is not None


@pytest.mark.fault(24)
@mistake(
    KEYS,
    "INDUCTIVA_API_URL leads to a web site, or a login page stands before the service",
    "The service answered with a web page.",
    "Check INDUCTIVA_API_URL, and whether a login page or proxy stands in between.",
)
def test_web_site(refused, service, engine, monkeypatch):
    service.say(Answer(200, b"<!doctype html><title>Welcome</title>"))
    monkeypatch.setenv("INDUCTIVA_API_KEY", engine.key)
    with connected(url=service.url) as backend, refused(errors.BadPayloadError):
        iw.tasks.get(backend=backend)

    monkeypatch.setenv("INDUCTIVA_API_URL", engine.url)
    with connected() as backend:
        assert iw.tasks.get(backend=backend) is not None


@pytest.mark.fault(26)
@mistake(
    KEYS,
    "The service has moved to another address",
    "The service answered with a redirect ({code}), which is not followed.",
    "Check INDUCTIVA_API_URL: the key is sent to the configured address only.",
)
def test_moved_service(refused, service, engine):
    service.say(Answer(308, b"", {"Location": f"{engine.url}/tasks"}))
    with (
        connected(key=engine.key, url=service.url) as backend,
        refused(errors.AuthenticationError, code=308),
    ):
        iw.tasks.get(backend=backend)

    with connected(key=engine.key, url=engine.url) as backend:
        assert iw.tasks.get(backend=backend) is not None


# -- network -------------------------------------------------------------------------------------

NETWORK = "Network"


@pytest.mark.fault(12)
@mistake(
    NETWORK,
    "The local engine does not run any more",
    "No connection to {host}.",
    "Is the engine running? inductiva_widgets.connect() finds or starts one.",
)
def test_engine_gone(refused, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{free.getsockname()[1]}"
    with refused(errors.ServiceConnectionError, host=host):
        look(f"http://{host}")

    try:
        with connected(local=True, data_dir=tmp_path / "engine") as backend:
            assert iw.tasks.get(backend=backend) == []
    finally:
        iw.local.stop(tmp_path / "engine")


@pytest.mark.fault(12)
@mistake(
    NETWORK,
    "The host's name is wrong, or cannot be looked up from here",
    "There is no host named {host}, or its name cannot be looked up.",
    "Check the spelling in INDUCTIVA_API_URL, then the network, proxy and VPN.",
)
def test_unknown_host(refused, secure, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", secure.certificate)
    with refused(errors.ServiceConnectionError, host="services.test"):
        look("https://services.test")

    look(f"https://{KNOWN_HOST}:{secure.port}")


@pytest.mark.fault(13)
@mistake(
    NETWORK,
    "The certificate is self-signed, expired, or that of an inspecting proxy",
    "The secure connection to {host} failed: {reason}.",
    "Behind an inspecting proxy set REQUESTS_CA_BUNDLE to its certificate.",
)
def test_untrusted_certificate(refused, secure, monkeypatch):
    host = f"{KNOWN_HOST}:{secure.port}"
    dash = "-" if ssl.OPENSSL_VERSION_INFO >= (3,) else " "
    values = {"host": host, "reason": f"self{dash}signed certificate"}
    with refused(errors.ServiceConnectionError, **values):
        look(f"https://{host}")

    monkeypatch.setenv("REQUESTS_CA_BUNDLE", secure.certificate)
    look(f"https://{host}")


@pytest.mark.fault(30)
@mistake(
    NETWORK,
    "The proxy is not there, or refuses",
    "The proxy does not lead to {host}.",
    "Check HTTPS_PROXY; hosts that need no proxy are named in NO_PROXY.",
)
def test_proxy_that_is_not_there(refused, secure, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        proxy = f"http://127.0.0.1:{free.getsockname()[1]}"
    host = f"{KNOWN_HOST}:{secure.port}"
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", secure.certificate)
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with refused(errors.ServiceConnectionError, host=host):
        look(f"https://{host}")

    monkeypatch.setenv("NO_PROXY", KNOWN_HOST)
    look(f"https://{host}")


@pytest.mark.fault(5)
@mistake(
    NETWORK,
    "The service is silent",
    "No answer from {host} in time.",
    "Check the network, or try again.",
)
def test_silent_service(refused, service, asking):
    service.say(SILENCE)
    with refused(errors.ServiceTimeoutError, host=service.url.removeprefix("http://")):
        iw.Task("abc", backend=asking).set_metadata({"mesh": "coarse"})

    service.say(ok({}))
    iw.Task("abc", backend=asking).set_metadata({"mesh": "coarse"})


@pytest.mark.fault(7)
@mistake(
    NETWORK,
    "Too many requests at once",
    "The service asks to slow down (429).",
    "Try again in {seconds} s.",
)
def test_too_many_requests(refused, service, asking):
    service.say(refusal(429, "slow down", **{"Retry-After": "7"}))
    with refused(errors.RateLimitedError, seconds=7):
        iw.Task("abc", backend=asking).set_metadata({"mesh": "coarse"})

    service.say(ok({}))  # seven seconds later
    iw.Task("abc", backend=asking).set_metadata({"mesh": "coarse"})


@pytest.mark.fault(10)
@mistake(
    NETWORK,
    "The service is down",
    "The service failed ({code}): {reason}",
    "This is on the service's side; try again later.",
)
def test_service_down(refused, service, asking):
    service.say(refusal(503, "maintenance"))
    with refused(errors.ServerError, code=503, reason="maintenance"):
        iw.Task("abc", backend=asking).set_metadata({"mesh": "coarse"})

    service.say(ok({}))
    iw.Task("abc", backend=asking).set_metadata({"mesh": "coarse"})


# -- tasks ---------------------------------------------------------------------------------------

TASKS = "Tasks"


@pytest.mark.fault(87)
@mistake(
    TASKS,
    "The id is a name, a path or an address",
    "{text} is no task id.",
    "An id is letters and digits, such as 'i4ir3kvv62odsfrhko4y8w2an'.",
)
def test_no_id(refused, done_id, backend):
    with refused(errors.UserInputError, text="'dam break'"):
        iw.Task("dam break")

    assert iw.Task(done_id).get_status() == "success"


@pytest.mark.fault(88)
@mistake(
    TASKS,
    "The id has a typing mistake, or the task is of another account",
    "This account has no task {id}.",
    "Check the id: inductiva_widgets.tasks.list() gives the tasks of the account.",
)
def test_unknown_id(refused, done_id, backend):
    with refused(errors.NotFoundError, id=done_id[:-1]):
        iw.Task(done_id[:-1]).get_status()

    found = next(
        task_id for task_id in iw.tasks.list(last_n=None).index if task_id.startswith(done_id[:-1])
    )
    assert iw.Task(found).get_status() == "success"


@pytest.mark.fault(92)
@mistake(
    TASKS,
    "The list is asked for a status that there is not",
    "{text} is no task status. Did you mean {meant}?",
    "Known are: {statuses}.",
)
def test_unknown_status(refused, done_id, backend):
    from inductiva_widgets.api.models import STATUSES

    known = ", ".join(STATUSES)
    values = {"text": "'succeeded'", "meant": "'success'", "statuses": known}
    with refused(errors.UserInputError, **values):
        iw.tasks.list(status="succeeded")

    assert done_id in iw.tasks.list(last_n=None, status="success").index


@pytest.mark.fault(91)
@mistake(
    TASKS,
    "last_n is 0, negative or no number",
    "last_n is {value}, but must be a number of at least 1.",
    "last_n=10 gives the ten newest, last_n=None all.",
)
def test_last_n_of_none(refused, done_id, backend):
    with refused(errors.UserInputError, value=0):
        iw.tasks.list(last_n=0)

    assert done_id in iw.tasks.list(last_n=None).index


@pytest.mark.fault(73)
@mistake(
    TASKS,
    "A date is written in another way",
    "{name} is {value}, which is no date or time.",
    "Write '2025-06-16', '2025-06-16 18:30' (UTC), a datetime, or a timedelta: so long ago.",
)
def test_odd_date(refused, done_id, backend):
    with refused(errors.UserInputError, name="since", value="'16/06/2025'"):
        iw.tasks.list(since="16/06/2025")

    assert done_id in iw.tasks.list(last_n=None, since="2025-06-16").index


@mistake(
    TASKS,
    "A time limit is a text or negative",
    "{name} is {value}, but must be seconds, at least 0.",
    "{name}=None sets no limit.",
)
def test_odd_time_limit(refused, done):
    with refused(errors.UserInputError, name="timeout", value="'10 s'"):
        done.wait(timeout="10 s")

    assert done.wait(timeout=None) == "success"


@mistake(
    TASKS,
    "The `wait_timeout` of a kill is a text or negative",
    "wait_timeout is {value}, but must be seconds, at least 0.",
    "wait_timeout=None sends the request and does not wait.",
)
def test_odd_time_limit_of_a_kill(refused, running):
    with refused(errors.UserInputError, value=-1):
        running.kill(wait_timeout=-1)
    assert running.is_running()

    assert running.kill(wait_timeout=None) in ("killed", "pending")
    assert running.wait(timeout=20) == "killed"


@mistake(
    TASKS,
    "The task did not end in the time given",
    "Task {id} did not end within {seconds} s; it goes on.",
    "Wait again, or kill it with task.kill().",
)
def test_waited_too_short(refused, running):
    from inductiva_widgets.formats import short_id

    with refused(errors.WaitTimeoutError, id=short_id(running.id), seconds="0.1"):
        running.wait(timeout=0.1)

    assert running.kill(wait_timeout=20)
    assert running.wait(timeout=20) == "killed"


@pytest.mark.fault(97)
@mistake(
    TASKS,
    "A script calls `tasks kill` with nobody at the terminal",
    "Nobody is here to be asked, so no task was killed.",
    "Add --yes to agree.",
)
def test_kill_without_a_terminal(request, run, engine, running, monkeypatch):
    monkeypatch.setenv("INDUCTIVA_API_KEY", engine.key)
    row = request.function.row

    said = run("tasks", "kill", running.id)

    assert f"{row.says} {row.hint}" in said.err
    assert said.code == 2
    assert running.refresh() is not None
    assert not running.info.is_terminated
    assert run("tasks", "kill", running.id, "--yes", "--wait-timeout", "20").code == 0
    assert running.wait(timeout=20) == "killed"


@pytest.mark.fault(119)
@mistake(
    TASKS,
    "A task is killed that has ended (no error)",
    "Task {id} had already ended as {status}: nothing to kill.",
    "Nothing; its outputs are there.",
)
def test_kill_of_an_ended_task(request, run, engine, done, monkeypatch):
    monkeypatch.setenv("INDUCTIVA_API_KEY", engine.key)

    said = run("tasks", "kill", done.id, "--yes")

    assert said.code == 0
    assert request.function.row.says.format(id=done.id, status="Success") in said.out
    assert not done.kill()
    assert len(done.get_output_info().contents) >= 3


@mistake(
    TASKS,
    "A frame without ids is used where tasks are wanted",
    "The frame has no index or column `task_id`.",
    "Take one that iw.tasks.list() made.",
)
def test_frame_without_ids(refused, done_id, backend):
    frame = iw.tasks.list(last_n=None)
    with refused(errors.UserInputError):
        iw.tasks.download(frame.reset_index(drop=True)[["status"]])

    report = iw.tasks.download(frame.loc[[done_id]], filenames=["results.csv"])
    assert done_id in report


@mistake(
    TASKS,
    "A frame is given to a view of one task",
    "A TaskMonitor shows a task id or a Task, not {kind}.",
    'For example TaskMonitor("i4ir3kvv62odsfrhko4y8w2an").',
)
def test_monitor_of_a_frame(refused, done_id, backend):
    with refused(errors.UserInputError, kind="DataFrame"):
        iw.TaskMonitor(iw.tasks.list())

    monitor = iw.TaskMonitor(done_id)
    assert monitor.task_id == done_id
    monitor.close()


@mistake(
    TASKS,
    "A task of the official client is shown, which is on another service",
    "This task belongs to another service than {name}.",
    "Connect to its service first: inductiva_widgets.connect(url=…).",
)
def test_official_task_of_another_service(refused, service, done_id, engine):
    task = official_task(done_id, engine.url, engine.key)
    with (
        connected(key=engine.key, url=service.url) as backend,
        refused(errors.UserInputError, name=backend.name),
    ):
        iw.TaskMonitor(task)

    with connected(key=engine.key, url=engine.url):
        iw.TaskMonitor(task).close()


@mistake(
    TASKS,
    "A task of the official client is shown, which has another key",
    "This task was made with another API key than the one used for {name}.",
    "Connect with its key first: inductiva_widgets.connect(key=…).",
)
def test_official_task_of_another_account(refused, done_id, engine):
    task = official_task(done_id, engine.url, engine.key)
    with (
        connected(key="another", url=engine.url) as backend,
        refused(errors.UserInputError, name=backend.name),
    ):
        iw.TaskMonitor(task)

    with connected(key=engine.key, url=engine.url):
        iw.TaskMonitor(task).close()


@mistake(
    TASKS,
    "A task of the official client is given to `iw.tasks`",
    "A task of the official client is not taken here.",
    "Give its id: inductiva_widgets.Task(task.id).",
)
def test_official_task_among_tasks(refused, done_id, engine, backend):
    task = official_task(done_id, engine.url, engine.key)
    with refused(errors.UserInputError):
        iw.tasks.download([task], filenames=["results.csv"])

    assert done_id in iw.tasks.download([iw.Task(task.id)], filenames=["results.csv"])


@mistake(
    TASKS,
    "Files of a running task are wanted, and WebRTC is not installed",
    "Live files of a running task need WebRTC, which is not installed.",
    "pip install 'inductiva_widgets[live]'",
)
def test_live_files_without_their_library(refused, running, monkeypatch):
    monkeypatch.setenv("INDUCTIVA_WIDGETS_LIVE", "webrtc")
    with monkeypatch.context() as without, refused(errors.LiveUnavailableError):
        without.setitem(sys.modules, "aiortc", None)
        running.list_files()

    pytest.importorskip("aiortc", reason="what the hint installs")
    assert running.list_files() is not None


# -- outputs -------------------------------------------------------------------------------------

OUTPUTS = "Outputs"


@pytest.mark.fault(93)
@mistake(
    OUTPUTS,
    "A name or pattern has a typing mistake",
    "Not in the archive: {name}.",
    "Close to it: {names}.",
)
def test_pattern_with_a_typing_mistake(refused, done):
    with refused(errors.NotFoundError, name="result.csv", names="results.csv"):
        done.download_outputs(["result.csv"])

    assert (done.download_outputs(["results.csv"]) / "results.csv").is_file()


@pytest.mark.fault(93)
@mistake(
    OUTPUTS,
    "There is nothing like the name or pattern",
    "Not in the archive: {name}.",
    "The list of its files shows which names there are.",
)
def test_pattern_of_nothing(refused, done):
    with refused(errors.NotFoundError, name="*.hdf5"):
        done.download_outputs(["*.hdf5"])

    names = [file.name for file in done.get_output_info().contents]
    assert (done.download_outputs(["vtk/*.vtk"]) / "vtk" / "a.vtk").is_file()
    assert "vtk/a.vtk" in [name.removeprefix("artifacts/") for name in names]


@pytest.mark.fault(95)
@mistake(
    OUTPUTS,
    "A file is named by a whole path, of Windows or not",
    "{name} is an absolute path.",
    "Outputs are named relative to the archive.",
)
def test_path_of_windows(refused, done):
    with refused(errors.UserInputError, name=r"C:\case\vtk\a.vtk"):
        done.download_outputs([r"C:\case\vtk\a.vtk"])

    assert (done.download_outputs([r"vtk\a.vtk"]) / "vtk" / "a.vtk").is_file()


@pytest.mark.fault(95)
@mistake(
    OUTPUTS,
    "A name goes up by `..`",
    "{name} leads out of the outputs.",
    "Name files inside them; output_dir= says where they go.",
)
def test_name_that_leads_out(refused, done, tmp_path):
    with refused(errors.UserInputError, name="../results.csv"):
        done.download_outputs(["../results.csv"])

    assert done.download_outputs(["results.csv"], tmp_path / "up") == tmp_path / "up"
    assert (tmp_path / "up" / "results.csv").is_file()


@mistake(
    OUTPUTS,
    "The list of names is empty",
    "No file names given.",
    "Leave `filenames` out to download everything.",
)
def test_no_names(refused, done):
    with refused(errors.UserInputError):
        done.download_outputs([])

    assert (done.download_outputs() / "vtk" / "b.vtk").is_file()


@mistake(
    OUTPUTS,
    "The task has not ended yet",
    "Task {id} is {status}: its outputs come when it ends.",
    "Wait for it with task.wait().",
)
def test_outputs_not_ready(refused, engine, backend):
    from inductiva_widgets.formats import short_id

    wait = "import pathlib, time\nwhile not pathlib.Path('go').exists(): time.sleep(0.02)\n"
    task = iw.Task(engine.submit("python run.py", files={"run.py": wait + WRITE}))
    engine.reach(task.id, "computation-started")
    with refused(errors.OutputsNotReadyError, id=short_id(task.id), status="In Progress"):
        task.download_outputs()

    (engine.work_folder(task.id) / "go").touch()
    assert task.wait(timeout=30) == "success"
    assert (task.download_outputs() / "results.csv").is_file()


@pytest.mark.fault(58)
@mistake(
    OUTPUTS,
    "The disk has too little room",
    "{size} are needed in {folder}, {free} are free.",
    "Make room, choose fewer files, or another folder.",
)
def test_disk_too_small(refused, done, tmp_path, monkeypatch):
    small = tmp_path / "small"
    monkeypatch.setattr(
        OutputFolder, "free_bytes", lambda self: 2 if str(self.path) == str(small) else 1 << 30
    )
    size = sum(file.size for file in done.get_output_info().contents if "vtk" in file.name)
    with refused(errors.DiskFullError, size=f"{size} B", folder=small, free="2 B"):
        done.download_outputs(["vtk"], small)

    assert (done.download_outputs(["vtk"], tmp_path / "large") / "vtk" / "a.vtk").is_file()


@contextlib.contextmanager
def other_user():
    """Root may write anywhere; nobody may not."""
    if os.geteuid() == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        if os.getuid() == 0:
            os.seteuid(0)


@pytest.mark.fault(59)
@mistake(
    OUTPUTS,
    "The folder is read-only",
    "{folder} cannot be written: {reason}.",
    "Choose another folder.",
)
@pytest.mark.skipif(sys.platform == "win32", reason="permission bits are Unix")
def test_read_only_folder(refused, done, tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    done.get_output_info()
    values = {"folder": closed / "out", "reason": "Permission denied"}
    with refused(errors.DestinationError, **values), other_user():
        done.download_outputs(["results.csv"], closed / "out")

    assert (done.download_outputs(["results.csv"], tmp_path / "open") / "results.csv").is_file()


@pytest.mark.fault(59)
@mistake(
    OUTPUTS,
    "The folder is a file",
    "{folder} cannot be written: it is a file, not a folder.",
    "Choose another folder.",
)
def test_folder_that_is_a_file(refused, done, tmp_path):
    (tmp_path / "file").write_text("mine")
    with refused(errors.DestinationError, folder=tmp_path / "file"):
        done.download_outputs(["results.csv"], tmp_path / "file")

    assert (tmp_path / "file").read_text() == "mine"
    assert (done.download_outputs(["results.csv"], tmp_path / "open") / "results.csv").is_file()


@pytest.mark.fault(60)
@mistake(
    OUTPUTS,
    "Files of the same names are there, with another content",
    "A file in {folder} exists with another content: {name}.",
    'Nothing was fetched. Choose overwrite="skip", "replace" or "rename".',
)
def test_file_in_the_way(refused, done, tmp_path):
    (tmp_path / "results.csv").write_text("mine")
    with refused(errors.FileConflictError, folder=tmp_path, name="results.csv"):
        done.download_outputs(["results.csv"], tmp_path)

    assert (tmp_path / "results.csv").read_text() == "mine"
    done.download_outputs(["results.csv"], tmp_path, overwrite="rename")
    assert (tmp_path / "results.csv").read_text() == "mine"
    done.download_outputs(["results.csv"], tmp_path, overwrite="replace")
    assert (tmp_path / "results.csv").read_text() == "content of results.csv"


@mistake(
    OUTPUTS,
    "`overwrite` has another value",
    "overwrite is {value}.",
    'Choose "error", "skip", "replace" or "rename".',
)
def test_unknown_way_to_overwrite(refused, done):
    with refused(errors.UserInputError, value="yes"):
        done.download_outputs(["results.csv"], overwrite="yes")

    assert (done.download_outputs(["results.csv"], overwrite="replace") / "results.csv").is_file()


@mistake(
    OUTPUTS,
    "Some files are wanted, and the archive as it is",
    "The archive can be kept packed only as a whole.",
    "Leave out the file names, or `uncompress=False`.",
)
def test_packed_files(refused, done):
    with refused(errors.UserInputError):
        done.download_outputs(["results.csv"], uncompress=False)

    assert (done.download_outputs(uncompress=False) / "output.zip").is_file()


@pytest.mark.fault(96)
@mistake(
    OUTPUTS,
    "The folder is an empty text",
    "The output folder is empty.",
    "Leave it out, or name it.",
)
def test_empty_folder(refused, done):
    with refused(errors.UserInputError):
        done.download_outputs(["results.csv"], "")

    assert (done.download_outputs(["results.csv"]) / "results.csv").is_file()


# -- submitting ----------------------------------------------------------------------------------

SUBMITTING = "Submitting"


def inputs(folder, **files):
    folder.mkdir(exist_ok=True)
    for name, text in {"run.py": "print('done')", **files}.items():
        (folder / name).write_text(text)
    return folder


@mistake(
    SUBMITTING,
    "The input folder is not there",
    "The input folder {folder} does not exist.",
    "Name it from here ({here}), or by its whole path.",
)
def test_missing_input_folder(refused, backend, tmp_path):
    with refused(errors.UserInputError, folder="'dam_braek'", here=Path.cwd()):
        iw.tasks.submit(["python run.py"], "dam_braek")

    task = iw.tasks.submit(["python run.py"], inputs(tmp_path / "dam_break"))
    assert task.wait(timeout=30) == "success"


@mistake(
    SUBMITTING,
    "The input folder has an `output.zip`, as of a download",
    "The input folder holds a file named output.zip, which results are stored under.",
    "Move or rename it.",
)
def test_output_among_inputs(refused, backend, tmp_path):
    folder = inputs(tmp_path / "case", **{"output.zip": "old"})
    with refused(errors.UserInputError):
        iw.tasks.submit(["python run.py"], folder)

    (folder / "output.zip").rename(folder / "before.zip")
    assert iw.tasks.submit(["python run.py"], folder).wait(timeout=30) == "success"


@pytest.mark.fault(122)
@mistake(
    SUBMITTING,
    "A command is written for a shell",
    "The command {command} holds {characters}, which no shell will interpret.",
    "Put such a line into a script among the inputs and run the script.",
)
def test_command_for_a_shell(refused, backend, tmp_path):
    line = "python run.py > log.txt"
    folder = inputs(tmp_path / "case", **{"all.sh": line})
    with refused(errors.UserInputError, command=repr(line), characters=">"):
        iw.tasks.submit([line], folder)

    task = iw.tasks.submit(["sh all.sh"], folder)
    assert task.wait(timeout=30) == "success"
    assert task.get_output()["log.txt"].text() == "done\n"


@mistake(
    SUBMITTING,
    "The commands are one text, or none",
    "A task needs a list of at least one command.",
    'For example commands=["python run.py"].',
)
def test_command_without_a_list(refused, backend, tmp_path):
    folder = inputs(tmp_path / "case")
    with refused(errors.UserInputError):
        iw.tasks.submit("python run.py", folder)

    assert iw.tasks.submit(["python run.py"], folder).wait(timeout=30) == "success"


@pytest.mark.fault(122)
@mistake(
    SUBMITTING,
    "The program is not there where the task runs",
    "Task {id} ended as {status}: The command {command} was not found (exit code 127).",
    "{step}",
)
def test_missing_program(refused, backend, tmp_path):
    from inductiva_widgets.causes import cause_of
    from inductiva_widgets.formats import short_id

    folder = inputs(tmp_path / "case")
    task = iw.tasks.submit(["nosuchsolver run.py"], folder)
    task.wait(timeout=30)
    values = {"id": short_id(task.id), "status": "Failed", "command": "nosuchsolver"}
    with refused(errors.TaskFailedError, **values, step=cause_of(task.info, "").step):
        task.wait(raise_on_failure=True)

    assert task.resubmit(commands=["python run.py"]).wait(timeout=30) == "success"


@mistake(
    SUBMITTING,
    "The machine group is not there",
    "There is no machine group {name}.",
    "Name one that there is with machine_group=; the local engine has 'local'.",
)
def test_unknown_group(refused, backend, tmp_path):
    folder = inputs(tmp_path / "case")
    with refused(errors.NotFoundError, name="'my-group'"):
        iw.tasks.submit(["python run.py"], folder, machine_group="my-group")

    task = iw.tasks.submit(["python run.py"], folder, machine_group="local")
    assert task.wait(timeout=30) == "success"


@mistake(
    SUBMITTING,
    "The service is not told where a task shall run",
    "On the service a task needs machine_group and container_image.",
    "Give both; only the local engine, connect(local=True), can do without.",
)
def test_submission_without_a_group(refused, engine, tmp_path):
    folder = inputs(tmp_path / "case")
    place = {"machine_group": "local", "container_image": "docker://inductiva/kutu:x"}
    with connected(key=engine.key, url=engine.url):
        with refused(errors.UserInputError):
            iw.tasks.submit(["python run.py"], folder)

        task = iw.tasks.submit(["python run.py"], folder, **place)
        assert task.wait(timeout=30) == "success"


@mistake(
    SUBMITTING,
    "The time limit is 0 or negative",
    "time_to_live_s is {value}, but must be more than 0 seconds.",
    "time_to_live_s=None sets no limit.",
)
def test_no_time_to_live(refused, backend, tmp_path):
    folder = inputs(tmp_path / "case")
    with refused(errors.UserInputError, value=0):
        iw.tasks.submit(["python run.py"], folder, time_to_live_s=0)

    task = iw.tasks.submit(["python run.py"], folder, time_to_live_s=None)
    assert task.wait(timeout=30) == "success"


@mistake(
    SUBMITTING,
    "Notes of a task are no texts",
    "Metadata keys and values are non-empty texts.",
    'For example metadata={{"mesh": "coarse"}}.',
)
def test_odd_notes(refused, done):
    with refused(errors.UserInputError):
        done.set_metadata({"mesh": 0.1})

    done.set_metadata({"mesh": "0.1"})
    assert done.get_metadata()["mesh"] == "0.1"


@pytest.mark.fault(11)
@mistake(
    SUBMITTING,
    "The connection broke while a task was submitted",
    "Whether the task was made is not known: {reason}",
    "Look for it before you submit again: inductiva_widgets.tasks.list(last_n=5). One that waits "
    "for its inputs can be killed.",
)
def test_submission_of_unknown_fate(refused, service, asking, engine, backend):
    group = {"id": "g", "name": "local", "started": True}
    service.route = lambda asked: ok(group) if "/compute/" in asked.path else RESET
    host = service.url.removeprefix("http://")
    with refused(errors.SubmissionUnknownError, reason=f"No connection to {host}."):
        iw.tasks.submit(
            ["true"], machine_group="local", container_image="docker://x", backend=asking
        )
    half = engine.create("true")  # what such a service may have made

    row = iw.tasks.list(last_n=5).loc[half]
    assert row["status"] == "pending-input"
    assert iw.Task(half).kill(wait_timeout=20)


# -- frames and charts ---------------------------------------------------------------------------

FRAMES = "Frames and charts"


@mistake(
    FRAMES,
    "pyarrow is not installed",
    "Parquet needs pyarrow, which is not installed.",
    "pip install pyarrow, or write CSV: history.to_csv(frame, path).",
)
def test_parquet_without_its_library(refused, done_id, backend, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    frame = iw.tasks.list(last_n=None)
    with refused(errors.MissingLibraryError):
        iw.history.to_parquet(frame, tmp_path / "tasks.parquet")

    iw.history.to_csv(frame, tmp_path / "tasks.csv")
    assert done_id in iw.history.read_csv(tmp_path / "tasks.csv").index


@mistake(
    FRAMES,
    "matplotlib is not installed",
    "Charts need matplotlib, which is not installed.",
    'pip install "inductiva_widgets[plots]"',
)
def test_chart_without_its_library(refused, done_id, backend, monkeypatch):
    frame = iw.tasks.list(last_n=None)
    with monkeypatch.context() as without, refused(errors.MissingLibraryError):
        without.setitem(sys.modules, "matplotlib", None)
        without.setitem(sys.modules, "matplotlib.pyplot", None)
        iw.history.cost_by(frame)

    pytest.importorskip("matplotlib").use("agg")
    axes = iw.history.cost_by(frame)
    assert axes.patches
    sys.modules["matplotlib.pyplot"].close("all")


@mistake(
    FRAMES,
    "A chart is drawn of another frame",
    "The frame has no column {name}.",
    "Take a frame of tasks.list(), or tasks.timeline() for a gantt.",
)
def test_chart_of_another_frame(refused, done_id, backend):
    import pandas as pd

    pytest.importorskip("matplotlib").use("agg")
    with refused(errors.UserInputError, name="'created_at'"):
        iw.history.runtime_scatter(pd.DataFrame({"a": [1]}))

    assert iw.history.runtime_scatter(iw.tasks.list(last_n=None)).collections
    sys.modules["matplotlib.pyplot"].close("all")


@mistake(
    FRAMES,
    "A table is read that is no history of tasks",
    "{file} is no task history: it has no column {name}.",
    "history.to_csv(frame, path) writes one.",
)
def test_csv_of_something_else(refused, done_id, backend, tmp_path):
    (tmp_path / "forces.csv").write_text("t,fx\n0,1\n")
    with refused(errors.UserInputError, file="forces.csv", name="'computation_ended_at'"):
        iw.history.read_csv(tmp_path / "forces.csv")

    iw.history.to_csv(iw.tasks.list(last_n=None), tmp_path / "tasks.csv")
    assert done_id in iw.history.read_csv(tmp_path / "tasks.csv").index


# -- local engine and JupyterLab -----------------------------------------------------------------

HERE = "Local engine and JupyterLab"


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
def test_server_extension_missing(request):
    row = request.function.row
    source = (REPOSITORY / "js" / "src" / "lab" / "server-connection.ts").read_text("utf-8")
    assert row.says.replace("{reason}", "${reason}") in source
    assert row.hint in source

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
def test_older_server_extension(request, tmp_path):
    row = request.function.row
    source = (REPOSITORY / "js" / "src" / "lab" / "version.ts").read_text("utf-8")
    assert row.says.format(server="${named(server)}", page="${page}") in source
    assert row.hint in source
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


# -- the page ------------------------------------------------------------------------------------


def test_the_page_is_that_of_the_table():
    assert PAGE.read_text("utf-8") == page(), f"write it anew: python {Path(__file__).name}"


def test_there_are_forty_mistakes_and_each_says_what_to_do():
    assert len(ROWS) >= 40
    assert all(row.says and row.hint for row in ROWS)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
