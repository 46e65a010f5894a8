"""Who may ask the Jupyter server's side: every registered route × every kind of stranger."""

from __future__ import annotations

import contextlib

import pytest
import requests
from lab_server import EVERY_REQUEST, TOKEN, Server, routes
from tornado.web import RequestHandler

POSTS = [path for method, path in EVERY_REQUEST if method == "POST"]
EVIL = "https://evil.example"


@pytest.fixture(scope="module", params=[True, False], ids=["open-server", "closed-server"])
def server(request, tmp_path_factory):
    with contextlib.closing(
        Server(
            tmp_path_factory.mktemp("jupyter"),
            f"--ServerApp.allow_unauthenticated_access={request.param}",
            INDUCTIVA_API_KEY="canary",
            INDUCTIVA_API_URL="http://127.0.0.1:9",
        )
    ) as started:
        yield started


@pytest.fixture
def browser(server):
    """A browser that is logged in."""
    with requests.Session() as session:
        session.get(f"{server.origin}/base/tree?token={TOKEN}", timeout=20)
        yield session


def asked(session, server, method, path, **headers):
    """An answer; its body is not waited for, because a stream has no end."""
    with session.request(
        method,
        server.url + path,
        params={"client": "a-page-of-mine"} if path == "api/events" else None,
        data=b"{}" if method == "POST" else None,
        headers=headers,
        timeout=20,
        allow_redirects=False,
        stream=True,
    ) as reply:
        return reply


@pytest.mark.fault(110)
def test_the_routes_are_the_expected_ones():
    assert EVERY_REQUEST == [
        ("GET", "api/backends"),
        ("GET", "api/events"),
        ("GET", "static/loader.js"),
        ("HEAD", "static/loader.js"),
        ("POST", "api/call"),
        ("POST", "api/engine"),
        ("POST", "api/key"),
        ("POST", "api/subscribe"),
    ]


@pytest.mark.fault(110)
def test_every_route_asks_for_a_login_and_the_authorizer():
    for _, handler in routes():
        assert handler.auth_resource
        for method in ("get", "post"):
            function = getattr(handler, method)
            if function is not getattr(RequestHandler, method):
                # functools.wraps leaves one link per decorator.
                assert function.__wrapped__.__wrapped__


@pytest.mark.fault(110)
@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "token wrong"}, {"Cookie": "x=y"}],
    ids=["no-login", "bad-token", "bad-cookie"],
)
@pytest.mark.parametrize(("method", "path"), EVERY_REQUEST)
def test_nobody_gets_anything_without_logging_in(server, method, path, headers):
    reply = asked(requests, server, method, path, **headers)

    if reply.status_code == 302:  # pages and their files are sent to the login
        assert path.startswith("static/")
        assert "/login" in reply.headers["Location"]
    else:
        assert reply.status_code in (401, 403)


@pytest.mark.fault(110)
@pytest.mark.parametrize(("method", "path"), EVERY_REQUEST)
def test_another_site_gets_nothing(server, browser, method, path):
    reply = asked(browser, server, method, path, Origin=EVIL, Referer=f"{EVIL}/")

    assert reply.status_code in (403, 404)
    assert "Access-Control-Allow-Origin" not in reply.headers


@pytest.mark.fault(110)
@pytest.mark.parametrize(("method", "path"), EVERY_REQUEST)
def test_another_name_of_the_host_gets_nothing(server, method, path):
    """A name that an attacker points at this machine, whatever else the request brings."""
    headers = {"Authorization": f"token {TOKEN}", "Host": "evil.example"}

    assert asked(requests, server, method, path, **headers).status_code == 403


@pytest.mark.fault(110)
@pytest.mark.parametrize("path", POSTS)
def test_a_browser_that_is_logged_in_needs_the_xsrf_token_to_change_anything(server, browser, path):
    forged = asked(browser, server, "POST", path)
    wrong = asked(browser, server, "POST", path, **{"X-XSRFToken": "2|a|b|c"})

    assert (forged.status_code, wrong.status_code) == (403, 403)


@pytest.mark.parametrize("path", [path for path in POSTS if path != "api/engine"])
def test_with_the_xsrf_token_a_browser_is_let_in(server, browser, path):
    meant = asked(browser, server, "POST", path, **{"X-XSRFToken": browser.cookies["_xsrf"]})

    # Let in, and then found to be no message; the key is ruled by the environment.
    assert meant.status_code == (403 if path == "api/key" else 400)


@pytest.mark.parametrize("path", [path for method, path in EVERY_REQUEST if method == "GET"])
def test_a_browser_that_is_logged_in_reads_without_more(server, browser, path):
    page = {"Referer": f"{server.origin}/base/tree"}

    assert asked(browser, server, "GET", path, **page).status_code == 200


def test_static_files_are_served_to_those_logged_in_and_only_they(server):
    reply = server.ask("GET", "static/loader.js")

    assert reply.ok
    assert "javascript" in reply.headers["Content-Type"]
    for outside in ("../cli.py", "..%2fcli.py", "%2e%2e/cli.py", "/etc/passwd", "nothing.js"):
        assert server.ask("GET", f"static/{outside}").status_code in (403, 404)
