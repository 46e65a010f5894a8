"""The line of a wait for many tasks: one display, changed in place, and never too often."""

from __future__ import annotations

import pytest

from inductiva_widgets.notebook import many
from inductiva_widgets.notebook.many import CellLine, PrintedLine
from inductiva_widgets.tasks.endings import Standing

BEGUN = Standing(4, 0, 0, 0, 0, {"In Progress": 3, "Submitted": 1})
LATER = Standing(4, 2, 1, 0, 0, {"In Progress": 1})


class Clock:
    now_s = 100.0

    def monotonic(self):
        return self.now_s


class Shown(list):
    """What IPython's display was given; its handle adds to the same list."""

    def __call__(self, bundle, *, raw, display_id):
        assert raw
        assert display_id
        self.append(bundle)
        return self

    def update(self, bundle, *, raw):
        assert raw
        self.append(bundle)


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(many, "time", made)
    return made


@pytest.fixture
def now():
    """A list whose last item is the present standing."""
    return [BEGUN]


def test_a_cell_shows_text_and_a_bar(now):
    shown = Shown()

    CellLine(lambda: LATER, shown)

    (bundle,) = shown
    assert bundle["text/plain"] == "3 of 4 done, 1 failed · 1 In Progress"
    assert bundle["text/html"].count("width:50.00%") == 1
    assert bundle["text/html"].count("width:25.00%") == 1
    assert "3 of 4 done" in bundle["text/html"]


def test_a_cell_changes_its_one_display_on_news_at_most_twice_a_second(clock, now):
    shown = Shown()
    line = CellLine(lambda: now[-1], shown)
    now.append(LATER)
    line.show()
    assert len(shown) == 1

    clock.now_s += 0.5
    line.show()
    clock.now_s += 5
    line.show()

    assert [bundle["text/plain"] for bundle in shown] == [str(BEGUN), str(LATER)]


def test_the_end_is_shown_at_once(clock, now):
    shown = Shown()
    line = CellLine(lambda: now[-1], shown)
    now.append(LATER)

    line.show(is_last=True)

    assert shown[-1]["text/plain"] == str(LATER)


def test_words_of_the_service_are_escaped():
    shown = Shown()

    CellLine(lambda: Standing(1, 0, 0, 0, 0, {"<b>Odd</b>": 1}), shown)

    assert "<b>" not in shown[0]["text/html"]


def test_lines_are_printed_on_news_only_and_not_too_often(clock, now):
    said = []
    line = PrintedLine(lambda: now[-1], said.append)
    line.show()
    now.append(LATER)
    clock.now_s += 1
    line.show()
    assert said == [str(BEGUN)]

    clock.now_s += 1
    line.show()
    clock.now_s += 5
    line.show()
    line.show(is_last=True)

    assert said == [str(BEGUN), str(LATER)]


def test_no_tasks_at_all_make_a_line():
    shown = Shown()

    CellLine(lambda: Standing(0, 0, 0, 0, 0, {}), shown)

    assert shown[0]["text/plain"] == "0 of 0 done"
