"""Mistakes with the key and the address of the service."""

from __future__ import annotations

import stat
import subprocess

import pytest
from mistake_table import KEYS, mistake
from scripted import Answer
from surroundings import KNOWN_HOST, connected, look

import inductiva_widgets as iw
from inductiva_widgets import errors

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
