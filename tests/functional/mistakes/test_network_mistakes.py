"""A network in the way, or a service that is not well."""

from __future__ import annotations

import socket
import ssl

import pytest
from mistake_table import NETWORK, mistake
from scripted import SILENCE, ok, refusal
from surroundings import KNOWN_HOST, connected, look

import inductiva_widgets as iw
from inductiva_widgets import errors


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
