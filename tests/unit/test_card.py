"""The static form of a task: says when, escapes everything, stays small.

`tests/golden/static-html.json` holds it for the browser, where it is looked at and checked for
accessibility; run this file to write it anew.
"""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from inductiva_widgets.notebook.card import html_card, html_list, text_card

FILE = Path(__file__).parents[1] / "golden" / "static-html.json"

TASK = "i4ir3kvv62odsfrhko4y8w2an"
EVIL = "<img src=x onerror=alert(1)>"


def summary(**more):
    return {
        "task_id": TASK,
        "backend": {"id": "0" * 12, "name": "local engine"},
        "simulator": "OpenFOAM",
        "status": "success",
        "status_alias": "Success",
        "is_terminal": True,
        "machine_type": "c2-standard-4",
        "computation_seconds": 192.4,
        "output_files": 206,
        "output_size_bytes": 6502956,
        "as_of": "2026-03-01T12:00:05.000Z",
        "ended_at": "2026-03-01T12:00:00.000Z",
        **more,
    }


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text = set(), set(), ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data):
        self.text += data


def test_the_text_is_one_line_of_what_is_known():
    assert text_card(TASK, summary()) == (
        f"Task {TASK}: Success · 3 min 12 s · c2-standard-4 · 206 files, 6.5 MB · local engine · "
        "ended 2026-03-01 12:00:00 UTC"
    )


@pytest.mark.parametrize(
    ("cost", "text", "html"),
    [
        ({"amount": 0.18, "currency": "USD", "is_final": True}, "US$ 0.18 ·", "CostUS$ 0.18"),
        ({"amount": 2, "currency": "EUR", "is_final": False}, "cost so far EUR 2.00", "EUR 2.00"),
    ],
)
def test_the_cost_stands_where_it_is_known(cost, text, html):
    assert text in text_card(TASK, summary(cost=cost))
    assert html in Tags(html_card(TASK, summary(cost=cost))).text
    assert "ost" not in text_card(TASK, summary(cost=None))


def test_a_state_that_is_not_final_says_as_of_when():
    running = summary(is_terminal=False, status="computation-started", status_alias="In Progress")

    assert "as of 2026-03-01 12:00:05 UTC" in text_card(TASK, running)
    assert "As of" in Tags(html_card(TASK, running)).text


@pytest.mark.parametrize("nothing", [{}, {"status": ""}])
def test_a_task_never_asked_for_says_so(nothing):
    assert text_card(TASK, nothing) == f"Task {TASK}: not asked yet"
    assert "Not asked yet" in html_card(TASK, nothing)


def test_the_html_holds_every_fact():
    text = Tags(html_card(TASK, summary())).text

    for fact in ("Success", "OpenFOAM", TASK, "3 min 12 s", "c2-standard-4", "206 files, 6.5 MB"):
        assert fact in text


@pytest.mark.fault(40, 104)
def test_names_from_elsewhere_stay_text_and_within_eight_kilobytes():
    evil = EVIL + "\"'&\u202e\x1b" + EVIL * 100
    card = html_card(
        TASK,
        summary(
            simulator=evil,
            status=evil,
            status_alias=evil,
            machine_type=evil,
            backend={"id": "0", "name": evil},
            ended_at=evil,
        ),
    )

    parsed = Tags(card)
    assert parsed.tags <= {"div", "span", "b", "code"}
    assert parsed.attributes == {"style"}
    assert EVIL in parsed.text
    assert len(card.encode()) < 8192
    assert "\u202e" not in card
    assert "\x1b" not in card


@pytest.mark.fault(40, 104)
def test_the_text_shows_control_characters_as_marks():
    text = text_card(TASK, summary(status_alias="a\x1b[31m\nb", machine_type="\u202ex"))

    assert text.isprintable()


@pytest.mark.parametrize("status", ["success", "failed", "submitted", "made-up-tomorrow"])
def test_every_status_has_a_card(status):
    card = html_card(TASK, summary(status=status, status_alias=status))

    assert status in card
    assert "color:#" in card


@pytest.mark.parametrize("field", ["simulator", "machine_type", "computation_seconds", "ended_at"])
def test_what_is_unknown_is_left_out(field):
    card = html_card(TASK, summary(**{field: None}))

    assert "None" not in card
    assert "None" not in text_card(TASK, summary(**{field: None}))


def golden():
    backend = {"id": "f51124d7652f", "name": "api.inductiva.ai"}
    cost = {"amount": 0.18, "currency": "USD", "is_final": True}
    done = summary(backend=backend, cost=cost, created_at="2026-03-01T11:56:00.000Z")
    more = {"is_terminal": False, "ended_at": None, "output_files": None}
    running = done | more | {"status": "computation-started", "status_alias": "In Progress"}
    running["cost"] = cost | {"is_final": False}
    tones = {"failed": "Failed", "killed": "Killed", "ttl-exceeded": "Task Timed Out"}
    tasks = [done, running, *(done | {"status": c, "status_alias": a} for c, a in tones.items())]
    return {
        "static-card": html_card(TASK, done),
        "static-card-running": html_card(TASK, running),
        "static-card-unknown": html_card(TASK, {}),
        "static-list": html_list(tasks, 32),
        "static-list-empty": html_list([], 0),
    }


def test_the_browser_looks_at_what_is_written_here():
    assert json.loads(FILE.read_text(encoding="utf-8")) == golden()


if __name__ == "__main__":
    FILE.write_text(json.dumps(golden(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
