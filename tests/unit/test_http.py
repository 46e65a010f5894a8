"""What is sent, to whom, how often, and what comes back when it goes wrong."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import email.utils
import gzip
import io
import json
import logging
import traceback
from pathlib import Path

import pytest
from scripted import RESET, SILENCE, Answer, ScriptedServer, ok, refusal

from inductiva_widgets.api import http as transport_module
from inductiva_widgets.api.config import ApiKey, Config
from inductiva_widgets.api.credentials import Credentials
from inductiva_widgets.api.http import ApiTransport
from inductiva_widgets.api.links import LinkTransport, _redirect_target
from inductiva_widgets.api.sessions import Timeouts, server_date
from inductiva_widgets.errors import (
    ApiError,
    AuthenticationError,
    BadPayloadError,
    ConfigurationError,
    InductivaWidgetsError,
    NotFoundError,
    RateLimitedError,
    ServerError,
    ServiceConnectionError,
    ServiceTimeoutError,
)

CANARY = "canary-key.0123456789_abcdefghijklmnopqrstuvwxyz"
SIGNATURE = "canarysignature0123456789"


@pytest.fixture
def server():
    with contextlib.closing(ScriptedServer()) as started:
        yield started


@pytest.fixture
def other():
    with contextlib.closing(ScriptedServer()) as started:
        yield started


@pytest.fixture
def slept():
    return []


def credentials(url, *others):
    """Those of CANARY at an address; what may take its place later is read when it is needed."""

    def newer(config):
        return [dataclasses.replace(config, key=ApiKey(other)) for other in others]

    return Credentials(Config(url, ApiKey(CANARY), "a test", Path()), newer)


@pytest.fixture
def api(server, slept):
    made = ApiTransport(
        credentials(server.url),
        user_agent="tests/1",
        timeouts=Timeouts(connect_s=2.0, read_s=2.0),
        sleep=slept.append,
    )
    with contextlib.closing(made):
        yield made


@pytest.fixture
def links():
    with contextlib.closing(LinkTransport(timeouts=Timeouts(2.0, 2.0))) as made:
        yield made


def everything_said(error):
    """Text, repr and traceback of an error and of all that hangs below it."""
    texts, seen = [], error
    while seen is not None:
        texts += [str(seen), repr(seen), repr(vars(seen)), getattr(seen, "hint", "")]
        texts += traceback.format_exception(seen)
        seen = seen.__cause__ or seen.__context__
    return "\n".join(texts)


# -- to whom -------------------------------------------------------------------------------------


def test_the_key_goes_into_a_header_to_the_configured_origin(api, server):
    reply = api.get("/tasks", {"page": 1, "active": True, "paths": ["a", "b"]})

    (asked,) = server.asked
    assert reply.status_code == 200
    assert asked.path == "/tasks?page=1&active=true&paths=a&paths=b"
    assert asked.headers["X-API-Key"] == CANARY
    assert asked.headers["User-Agent"] == "tests/1"


@pytest.mark.fault(26)
def test_a_redirect_of_the_service_is_refused_and_the_key_is_not_sent_on(api, server, other):
    server.say(Answer(307, headers={"Location": other.url + "/steal"}))

    with pytest.raises(AuthenticationError, match="redirect"):
        api.get("/tasks")

    assert len(server.asked) == 1
    assert other.asked == []


@pytest.mark.fault(26)
def test_a_redirect_of_a_post_is_refused_too(api, server, other):
    server.say(Answer(308, headers={"Location": other.url + "/steal"}))

    with pytest.raises(AuthenticationError) as caught:
        api.send("POST", "/tasks/a/kill")

    assert caught.value.status_code == 308
    assert "INDUCTIVA_API_URL" in caught.value.hint
    assert other.asked == []


# -- a key that is replaced ----------------------------------------------------------------------


def asked_with(*others, server):
    return ApiTransport(credentials(server.url, *others), user_agent="tests/1")


def only(key):
    """A service that takes one key, and repeats the one that it refuses."""

    def answer(asked):
        sent = asked.headers["X-API-Key"]
        return ok({}) if sent == key else refusal(401, f"{sent} is revoked, as was {CANARY}")

    return answer


@pytest.mark.fault(85)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_a_key_was_refused_for_is_asked_again_with_the_next(server, method):
    server.route = only("newest")
    with contextlib.closing(asked_with("newer", "newest", server=server)) as api:
        api.get("/tasks") if method == "GET" else api.send("POST", "/tasks/a/kill")
        api.get("/tasks")

    keys = [asked.headers["X-API-Key"] for asked in server.asked]
    assert keys == [CANARY, "newer", "newest", "newest"]


@pytest.mark.fault(85)
def test_a_key_that_was_refused_is_not_taken_again(server):
    server.route = only("none of them")
    with contextlib.closing(asked_with(CANARY, "newer", server=server)) as api:
        for _ in range(3):
            with pytest.raises(AuthenticationError) as caught:
                api.get("/tasks")

    keys = [asked.headers["X-API-Key"] for asked in server.asked]
    assert keys == [CANARY, "newer", "newer", "newer"]
    assert "newer" not in everything_said(caught.value)
    assert CANARY not in everything_said(caught.value)


@pytest.mark.parametrize("code", [403, 404, 429, 500])
def test_only_a_refused_key_is_replaced(server, code):
    server.route = lambda _: refusal(code, "no")
    with contextlib.closing(asked_with("newer", server=server)) as api, pytest.raises(ApiError):
        api.get("/tasks", retry=False)

    assert {asked.headers["X-API-Key"] for asked in server.asked} == {CANARY}


def test_cookies_are_not_kept(api, server):
    server.say(Answer(headers={"Set-Cookie": "session=1; Path=/"}))

    api.get("/tasks")
    api.get("/tasks")

    assert "Cookie" not in server.asked[1].headers


@pytest.mark.fault(30)
def test_the_netrc_file_is_ignored(server, other, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine service.test login someone password canary\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("http_proxy", server.url)  # the only way to be asked for another host
    remote = ApiTransport(credentials("http://service.test"), user_agent="tests/1")

    with contextlib.closing(remote):
        remote.get("/tasks")

    assert server.asked[0].path == "http://service.test/tasks"
    assert "Authorization" not in server.asked[0].headers


@pytest.mark.fault(30)
@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy"])
def test_proxies_do_not_catch_what_stays_on_this_machine(api, links, server, monkeypatch, name):
    monkeypatch.setenv(name, "http://127.0.0.1:9")

    api.get("/tasks")
    links.get(server.url + "/file").close()

    assert server.paths() == ["GET /tasks", "GET /file"]


# -- how often -----------------------------------------------------------------------------------


@pytest.mark.fault(8, 9)
@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_get_is_tried_again_until_the_service_is_well(api, server, slept, status):
    server.say(refusal(status, "later"), refusal(status, "later"), ok({"fine": 1}))

    reply = api.get("/tasks")

    assert json.loads(reply.body) == {"fine": 1}
    assert len(server.asked) == 3
    assert len(slept) == 2


def test_a_get_is_tried_again_after_a_reset(api, server):
    server.say(RESET, ok({"fine": 1}))

    assert json.loads(api.get("/tasks").body) == {"fine": 1}
    assert len(server.asked) == 2


@pytest.mark.fault(10)
def test_a_get_gives_up_after_five_tries_within_thirty_seconds(api, server, slept):
    server.say(refusal(500, "broken"))

    with pytest.raises(ServerError) as caught:
        api.get("/tasks")

    assert caught.value.status_code == 500
    assert caught.value.retryable
    assert len(server.asked) == 5
    assert sum(slept) <= 30


@pytest.mark.parametrize("answer", [refusal(503, "later"), refusal(429, "later"), RESET])
def test_a_get_without_retries_is_sent_once(api, server, slept, answer):
    server.say(answer)

    with pytest.raises(InductivaWidgetsError):
        api.get("/tasks", retry=False)

    assert len(server.asked) == 1
    assert slept == []


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("answer", [refusal(503, "later"), refusal(429, "later"), RESET])
def test_what_changes_something_is_sent_once(api, server, slept, method, answer):
    server.say(answer)

    with pytest.raises(InductivaWidgetsError):
        api.send(method, "/tasks/a", body=b"{}")

    assert len(server.asked) == 1
    assert slept == []


# -- patience ------------------------------------------------------------------------------------


@pytest.mark.fault(7, 8)
@pytest.mark.parametrize("status", [429, 503])
def test_it_waits_as_long_as_the_service_says(api, server, slept, status):
    server.say(refusal(status, "later", **{"Retry-After": "7"}), ok({}))

    api.get("/tasks")

    assert slept == [7.0]


@pytest.mark.fault(7)
def test_a_retry_after_may_be_a_date(api, server, slept):
    then = dt.datetime.now(dt.timezone.utc) + dt.timedelta(seconds=30)
    date = email.utils.format_datetime(then, usegmt=True)
    server.say(refusal(429, "later", **{"Retry-After": date}), ok({}))

    api.get("/tasks")

    assert 27 <= slept[0] <= 30


@pytest.mark.fault(7)
@pytest.mark.parametrize("value", ["soon", "-1", "1e9", "", "Mon, 32 Foo", "٣"])
def test_an_unreadable_retry_after_means_the_usual_pause(api, server, slept, value):
    server.say(refusal(429, "later", **{"Retry-After": value.encode().decode("latin-1")}), ok({}))

    api.get("/tasks")

    assert len(server.asked) == 2
    assert all(pause <= 10 for pause in slept)


@pytest.mark.fault(7)
@pytest.mark.parametrize("wait_s", [61, 10**9, 10**11])
def test_a_longer_wait_is_for_the_caller_to_decide(api, server, slept, wait_s):
    server.say(refusal(429, "later", **{"Retry-After": str(wait_s)}))

    with pytest.raises(RateLimitedError) as caught:
        api.get("/tasks")

    assert caught.value.retry_after_s == wait_s
    assert caught.value.retryable
    assert len(server.asked) == 1
    assert slept == []


def test_a_service_that_never_answers_is_a_timeout_with_and_without_retries(server):
    server.say(SILENCE)
    hasty = ApiTransport(
        credentials(server.url),
        user_agent="tests/1",
        timeouts=Timeouts(connect_s=0.2, read_s=0.05),
        sleep=lambda _: None,
    )

    with contextlib.closing(hasty):
        with pytest.raises(ServiceTimeoutError):
            hasty.get("/tasks", retry=False)
        with pytest.raises(ServiceTimeoutError):
            hasty.get("/tasks")

    assert len(server.asked) == 6


# -- what comes back -----------------------------------------------------------------------------


@pytest.mark.fault(78)
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, ApiError),
        (401, AuthenticationError),
        (403, AuthenticationError),
        (404, NotFoundError),
        (409, ApiError),
        (422, ApiError),
        (429, RateLimitedError),
        (500, ServerError),
        (503, ServerError),
    ],
)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><h1>Sign in</h1></html>",
        b'"text"',
        b"[1, 2]",
        b'{"detail": null}',
        b'{"detail": [1, null, {"loc": 5, "msg": []}, {"loc": ["a", 1], "msg": "no"}]}',
        b'{"detail": {"nested": [1]}}',
        b"\xff\xfe{",
        b'{"detail": NaN}',
        b"[" * 5000,
    ],
)
def test_every_refusal_has_its_class_whatever_its_body(api, server, status, kind, body):
    server.say(Answer(status, body))

    with pytest.raises(ApiError) as caught:
        api.get("/tasks", retry=False)

    assert type(caught.value) is kind
    assert caught.value.status_code == status
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("status", [401, 403, 429, 500])
def test_a_refusal_says_what_to_do_next(api, server, status):
    server.say(refusal(status, "no"))

    with pytest.raises(ApiError) as caught:
        api.get("/tasks", retry=False)

    assert caught.value.hint


def test_a_refused_field_is_named(api, server):
    server.say(refusal(422, [{"loc": ["query", "page"], "msg": "not a number", "type": "x"}]))

    with pytest.raises(ApiError, match=r"query\.page: not a number"):
        api.get("/tasks")


@pytest.mark.fault(12)
def test_nobody_listening_is_a_connection_error_that_names_the_host(server, slept):
    url = server.url
    server.close()
    lonely = ApiTransport(credentials(url), user_agent="tests/1", sleep=slept.append)

    with contextlib.closing(lonely), pytest.raises(ServiceConnectionError) as caught:
        lonely.get("/tasks")

    assert not isinstance(caught.value, TimeoutError)
    assert url.removeprefix("http://") in str(caught.value)
    assert "connect()" in caught.value.hint  # this machine: an engine that is gone
    assert len(slept) <= 4


@pytest.mark.fault(12)
def test_a_name_that_does_not_resolve_is_a_connection_error():
    lost = ApiTransport(credentials("https://service.test"), user_agent="tests/1")

    with (
        contextlib.closing(lost),
        pytest.raises(ServiceConnectionError, match=r"service\.test") as caught,
    ):
        lost.get("/tasks", retry=False)

    assert "proxy" in caught.value.hint


@pytest.mark.fault(2)
def test_an_answer_cut_short_is_a_connection_error(api, server):
    server.say(Answer(body=b'{"a": 1', announced=100))

    with pytest.raises(ServiceConnectionError):
        api.get("/tasks", retry=False)


@pytest.mark.fault(29)
def test_an_answer_beyond_the_limit_is_refused(api, server, monkeypatch):
    assert transport_module.JSON_LIMIT_BYTES == 32_000_000
    monkeypatch.setattr(transport_module, "JSON_LIMIT_BYTES", 100_000)
    server.say(Answer(body=b" " * 200_000), Answer(body=b" " * 100_000))

    with pytest.raises(BadPayloadError, match="larger than 100000"):
        api.get("/tasks")
    assert len(api.get("/tasks").body) == 100_000


@pytest.mark.fault(29)
def test_the_limit_counts_unpacked_bytes(api, server, monkeypatch):
    monkeypatch.setattr(transport_module, "JSON_LIMIT_BYTES", 100_000)
    packed = gzip.compress(b" " * 10_000_000)
    server.say(Answer(body=packed, headers={"Content-Encoding": "gzip"}))

    with pytest.raises(BadPayloadError):
        api.get("/tasks")


def test_the_services_clock_is_read_from_its_answer(api, server):
    date = api.get("/tasks").date

    assert abs(dt.datetime.now(dt.timezone.utc) - date) < dt.timedelta(seconds=5)


@pytest.mark.parametrize(
    "date",
    [
        "",
        "yesterday",
        "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
        "Mon, 01 Jan 2020 00:00:00 +99999999999",
    ],
)
def test_an_absurd_date_is_no_date(date):
    assert server_date(date) is None


def test_a_date_without_zone_is_utc():
    date = server_date("Mon, 16 Jun 2025 18:16:34 -0000")

    assert date == dt.datetime(2025, 6, 16, 18, 16, 34, tzinfo=dt.timezone.utc)


# -- secrets -------------------------------------------------------------------------------------

LEAKS = [
    refusal(401, f"wrong key {CANARY}"),
    refusal(404, CANARY * 20),
    refusal(400, "x" * (300 - len(CANARY) // 2) + CANARY),
    refusal(422, [{"loc": [CANARY], "msg": CANARY}]),
    refusal(500, {"echo": {"X-API-Key": CANARY}}),
    Answer(500, b"<p>" + b"x" * (77 - len(CANARY) // 2) + CANARY.encode()),
    Answer(403, b"", reason=f"No {CANARY}"),
    Answer(302, headers={"Location": f"http://127.0.0.1:9/?key={CANARY}"}),
    refusal(400, f"bad link https://storage.test/a?sig={SIGNATURE}&x=1"),
    Answer(200, b"{", announced=50),
    RESET,
]


@pytest.mark.fault(79)
@pytest.mark.parametrize("answer", LEAKS)
@pytest.mark.parametrize("retry", [True, False])
def test_the_key_is_in_no_text_and_no_log(api, server, caplog, answer, retry):
    caplog.set_level(logging.DEBUG)
    server.say(answer)

    with pytest.raises(InductivaWidgetsError) as caught:
        api.get("/tasks", retry=retry)

    said = everything_said(caught.value) + caplog.text + repr([r.args for r in caplog.records])
    assert CANARY not in said
    assert CANARY[: len(CANARY) // 2] not in said
    assert SIGNATURE not in said


@pytest.mark.parametrize("answer", [RESET, SILENCE, Answer(200, b"{", announced=50)])
def test_a_failure_has_nothing_of_the_http_library_below_it(server, answer):
    server.say(answer)
    hasty = ApiTransport(
        credentials(server.url), user_agent="tests/1", timeouts=Timeouts(0.5, 0.05)
    )

    with contextlib.closing(hasty), pytest.raises(ServiceConnectionError) as caught:
        hasty.get("/tasks", retry=False)

    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@pytest.mark.fault(79)
def test_control_characters_of_a_detail_are_made_visible(api, server):
    server.say(refusal(400, "\x1b[31mred\x07 \u202etxt"))

    with pytest.raises(ApiError) as caught:
        api.get("/tasks")

    assert str(caught.value).isprintable()
    assert "\\u001b[31mred" in str(caught.value)


# -- signed links --------------------------------------------------------------------------------


@pytest.mark.fault(27)
def test_a_link_is_asked_without_key_and_cookies_and_with_the_range(links, server):
    server.say(Answer(206, b"llo", {"Content-Range": "bytes 2-4/5", "Set-Cookie": "a=b"}))

    with links.get(server.url + f"/a?sig={SIGNATURE}", {"Range": "bytes=2-4"}) as reply:
        body = b"".join(reply.iter_bytes())
    links.get(server.url + "/b").close()

    first, second = server.asked
    assert body == b"llo"
    assert reply.content_range == (2, 5, 5)
    assert first.headers["Range"] == "bytes=2-4"
    assert first.headers["Accept-Encoding"] == "identity"
    for asked in (first, second):
        assert not {"X-API-Key", "Authorization", "Cookie"} & set(asked.headers)


@pytest.mark.fault(27)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_link_may_redirect_to_another_server(links, server, other, status):
    server.say(Answer(status, headers={"Location": other.url + "/there"}))
    other.say(Answer(body=b"bytes"))

    with links.get(server.url + "/a", {"Range": "bytes=0-4"}) as reply:
        assert b"".join(reply.iter_bytes()) == b"bytes"

    assert other.asked[0].headers["Range"] == "bytes=0-4"


@pytest.mark.fault(25)
def test_five_redirects_are_followed_and_no_sixth(links, server):
    steps = [Answer(302, headers={"Location": f"/{n}"}) for n in range(1, 6)]
    server.say(*steps, Answer(body=b"end"))

    with links.get(server.url + "/0") as reply:
        assert b"".join(reply.iter_bytes()) == b"end"

    server.say(Answer(302, headers={"Location": "/again"}))
    server.asked.clear()
    with pytest.raises(ServiceConnectionError, match="Too many redirects"):
        links.get(server.url + "/0")
    assert len(server.asked) == 6


@pytest.mark.fault(25)
@pytest.mark.parametrize(
    "target",
    ["file:///etc/passwd", "ftp://127.0.0.1/a", "javascript:alert(1)", "http://[", "//[x"],
)
def test_a_redirect_to_something_else_than_http_is_refused(links, server, target):
    server.say(Answer(302, headers={"Location": target}))

    with pytest.raises(ServiceConnectionError, match="not followed"):
        links.get(server.url + "/a")


@pytest.mark.fault(25)
@pytest.mark.parametrize(
    "target",
    [
        "http://storage.test/b",
        "https://127.0.0.1/b",
        "https://localhost/b",
        "https://LOCALHOST./b",
        "https://a.localhost/b",
        "https://[::1]/b",
        "https://[::ffff:127.0.0.1]/b",
        "https://0.0.0.0/b",
        "https://169.254.169.254/latest/meta-data",
        "https://[fe80::1%25eth0]/b",
    ],
)
def test_a_redirect_never_leads_inward_or_from_https_to_http(target):
    with pytest.raises(ServiceConnectionError, match=r"storage\.test"):
        _redirect_target("https://storage.test/a", target)


@pytest.mark.fault(25)
def test_a_redirect_from_here_to_plain_http_elsewhere_is_refused(links, server):
    server.say(Answer(302, headers={"Location": "http://storage.test/b"}))

    with pytest.raises(ConfigurationError, match=r"storage\.test"):
        links.get(server.url + "/a")


@pytest.mark.parametrize("link", ["", "no link", "file:///etc/passwd", "http://storage.test/a"])
def test_a_link_that_is_neither_https_nor_local_is_refused(links, link):
    with pytest.raises(ConfigurationError):
        links.get(link)


def test_a_link_that_is_no_address_is_a_bad_payload(links):
    with pytest.raises(BadPayloadError):
        links.get("https://[")


@pytest.mark.fault(2)
def test_a_body_cut_short_is_told(links, server):
    server.say(Answer(body=b"x" * 10, announced=20))

    with links.get(server.url + "/a") as reply, pytest.raises(ServiceConnectionError):
        list(reply.iter_bytes())

    assert reply.content_length == 20


def test_a_body_that_stalls_is_a_timeout(server):
    server.say(Answer(body=b"x" * 10, announced=20, headers={"X-Stall": "1"}))

    with (
        contextlib.closing(LinkTransport(timeouts=Timeouts(1.0, 0.1))) as hasty,
        hasty.get(server.url + "/a") as reply,
        pytest.raises(ServiceTimeoutError),
    ):
        list(reply.iter_bytes())


@pytest.mark.parametrize("answer", [RESET, SILENCE, Answer(body=b"x", announced=9)])
def test_a_signed_link_is_in_no_text_no_chain_and_no_log(server, caplog, answer):
    caplog.set_level(logging.DEBUG)
    server.say(answer)
    link = f"{server.url}/a?sig={SIGNATURE}"

    with (
        contextlib.closing(LinkTransport(timeouts=Timeouts(1.0, 0.1))) as hasty,
        pytest.raises(ServiceConnectionError) as caught,
        hasty.get(link) as reply,
    ):
        list(reply.iter_bytes())

    said = everything_said(caught.value) + caplog.text
    assert SIGNATURE not in said
    assert caught.value.__context__ is None


def test_credentials_of_a_link_are_in_no_text(links, server):
    host = server.url.removeprefix("http://")
    server.say(RESET)

    with pytest.raises(ServiceConnectionError) as caught:
        links.get(f"http://user:{SIGNATURE}@{host}/a")

    assert SIGNATURE not in everything_said(caught.value)
    assert host in str(caught.value)


def test_the_logs_of_others_keep_their_queries(caplog, server):
    import requests

    caplog.set_level(logging.DEBUG)
    requests.get(server.url + "/a?page=2", timeout=5)

    assert "/a?page=2" in caplog.text


def test_any_status_behind_a_link_is_for_the_caller(links, server):
    server.say(Answer(403, b"<Error/>", {"Retry-After": "3", "ETag": 'W/"a"'}))

    with links.get(server.url + "/a") as reply:
        assert reply.status_code == 403
        assert reply.retry_after_s == 3
        assert reply.etag is None


@pytest.mark.fault(18)
@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("bytes 0-0/1", (0, 1, 1)),
        ("bytes 5-9/*", (5, 10, None)),
        ("bytes */10", None),
        ("items 0-1/2", None),
        ("bytes " + "9" * 5000 + "-1/2", None),
        ("", None),
    ],
)
def test_the_content_range_is_read_or_absent(links, server, header, wanted):
    server.say(Answer(206, b"", {"Content-Range": header}))

    with links.get(server.url + "/a") as reply:
        assert reply.content_range == wanted


def test_an_upload_is_chunked_and_only_200_is_success(links, server):
    server.say(Answer(200), Answer(201), Answer(403))

    links.put(server.url + "/in", io.BytesIO(b"a" * 3_000_000))

    assert server.asked[0].body == b"a" * 3_000_000
    assert server.asked[0].headers["Transfer-Encoding"] == "chunked"
    for status in (201, 403):
        with pytest.raises(ServerError) as caught:
            links.put(server.url + "/in", io.BytesIO(b"a"))
        assert caught.value.status_code == status


def test_closing_twice_is_fine_and_using_it_again_too(api, links, server):
    api.get("/tasks")
    links.get(server.url + "/a").close()
    for closable in (api, links, api, links):
        closable.close()

    api.get("/tasks")

    assert len(server.asked) == 3
