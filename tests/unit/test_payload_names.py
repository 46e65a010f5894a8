"""Forty names from elsewhere that try to be more than names, on every surface that Python writes.

`tests/golden/payload-names.json` holds them for the views too (`browser/payload-names.test.ts`).
Of forty tasks each has one of them in every field that holds words; an archive has all as names.
"""

from __future__ import annotations

import contextlib
import csv
import datetime as dt
import io
import json
import os
import pty
import re
import subprocess
import sys
import unicodedata
import zipfile
from html.parser import HTMLParser
from pathlib import Path

import pytest
from scripted import Answer, ScriptedServer, ok, refusal

from inductiva_widgets import history, tasks
from inductiva_widgets.api.config import ApiKey, Config
from inductiva_widgets.api.models import TaskRecord
from inductiva_widgets.backend import Backend
from inductiva_widgets.errors import InductivaWidgetsError
from inductiva_widgets.formats import safe_text
from inductiva_widgets.notebook import display
from inductiva_widgets.notebook.card import html_card, html_list, text_card, text_list
from inductiva_widgets.service import dispatch
from inductiva_widgets.service.protocol import BackendName
from inductiva_widgets.service.summaries import record_summary
from inductiva_widgets.submit.plan import DryRun
from inductiva_widgets.task import Task
from inductiva_widgets.tasks.killing import KillReport, TaskKill

PAYLOADS = [
    case["text"]
    for case in json.loads(
        (Path(__file__).parents[1] / "golden" / "payload-names.json").read_text("utf-8")
    )
]
IDS = [f"payload{place:018}" for place in range(len(PAYLOADS))]
STAMP = "2026-03-01T12:00:00+00:00"
KEY = "canary-key.0123456789"
TABLE_TAGS = {"table", "thead", "tbody", "tr", "th", "td", "div", "style", "p"}


def record(task_id, text):
    """A task whose every word is this text."""
    machine = {"vm_type": text, "vm_name": text, "host_type": text, "error_detail": text}
    step = {"name": text, "alias": text, "status": text, "attributes": {"command": text}}
    times = {"timestamp": STAMP, "end_timestamp": STAMP}
    change = {"status": text, "alias": text, "description": text, **times, "operations": [step]}
    return {
        "task_id": task_id,
        "status": "failed",
        "status_alias": text,
        "is_terminated": True,
        "simulator": text,
        "project": text,
        "container_image": text,
        "storage_region": text,
        "machine_group_name": text,
        "error_detail": text,
        "create_time": STAMP,
        "task_metadata": {text: text},
        "input_resources": [text],
        "extra_params": {"commands": [{"cmd": text}]},
        "executer": machine,
        "status_history": [change],
    }


RECORDS = {task_id: record(task_id, text) for task_id, text in zip(IDS, PAYLOADS, strict=True)}


def archive():
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as made:
        for name in PAYLOADS:
            made.writestr(f"artifacts/{name}", name)
    return packed.getvalue()


def answer(asked, url, body):
    path = asked.path.partition("?")[0]
    if path == "/tasks":
        return ok({"total_size": len(RECORDS), "tasks": list(RECORDS.values())})
    if path == "/storage/signed-urls":
        return ok([f"{url}/bucket/output.zip?X-Signature=s"])
    if path == "/bucket/output.zip":
        first, last = re.fullmatch(r"bytes=(\d*)-(\d*)", asked.headers["Range"]).groups()
        start = int(first) if first else max(0, len(body) - int(last))
        end = min(len(body), int(last) + 1) if first and last else len(body)
        span = {"Content-Range": f"bytes {start}-{end - 1}/{len(body)}", "ETag": '"v1"'}
        return Answer(206, body[start:end], span)
    found = RECORDS.get(path.removeprefix("/tasks/"))
    return ok(found) if found else refusal(404, "There is none.")


@pytest.fixture(scope="module")
def service():
    with contextlib.closing(ScriptedServer()) as started:
        body = archive()
        started.route = lambda asked: answer(asked, started.url, body)
        yield started


@pytest.fixture
def backend(service, tmp_path):
    settings = Config(
        url=service.url,
        key=ApiKey(KEY),
        key_source="a test",
        output_dir=tmp_path,
        is_local=False,
    )
    with contextlib.closing(Backend(settings)) as made:
        yield made


@pytest.fixture
def services(monkeypatch):
    """What looks at tasks for a notebook: of this test only."""
    made = {}
    monkeypatch.setattr(dispatch, "_services", made)
    monkeypatch.setattr(display, "shows_widgets", lambda: False)
    yield
    for one in made.values():
        one.close()


class Page(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.text = set(), set(), ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data):
        self.text += data


def assert_static(html, *texts):
    page = Page(html)
    assert page.tags <= {"div", "span", "b", "code", "table", "tr", "th", "td"}
    assert page.attributes <= {"style", "tabindex"}
    for text in texts:
        assert text in page.text
    assert_harmless(page.text)


def assert_harmless(text):
    """Only what can be seen, line by line."""
    odd = [char for char in text if not (char == "\n" or char.isprintable())]
    assert not odd, [f"U+{ord(char):04X}" for char in odd]


def summaries():
    name = BackendName("0" * 12, "local engine")
    now = dt.datetime(2026, 3, 1, 12, tzinfo=dt.timezone.utc)
    for task_id in IDS:
        said = TaskRecord(**{k: RECORDS[task_id][k] for k in ("task_id", "simulator", "project")})
        yield record_summary(name, said, (now, now))


def test_there_are_forty_of_them_and_no_two_are_the_same():
    assert len(PAYLOADS) == 40
    assert len(set(PAYLOADS)) == 40
    assert all(len(text) <= 255 for text in PAYLOADS)


@pytest.mark.fault(40, 104)
@pytest.mark.parametrize("text", PAYLOADS)
def test_the_card_of_a_task_and_the_table_of_many_show_text(text):
    everything = {
        "task_id": IDS[0],
        "backend": {"id": text, "name": text},
        "simulator": text,
        "status": text,
        "status_alias": text,
        "machine_type": text,
        "cost": {"amount": 0.1, "currency": text, "is_final": False},
        "is_terminal": False,
        "created_at": text,
        "as_of": text,
    }

    assert_static(html_card(IDS[0], everything), safe_text(text), safe_text(text, 60))
    assert_static(html_list([everything], 2), safe_text(text, 40))
    assert_harmless(text_card(IDS[0], everything))
    assert_harmless(text_list([everything], 2))


@pytest.mark.fault(104)
@pytest.mark.usefixtures("services")
def test_what_a_notebook_gets_of_a_task_and_of_a_list_is_text(backend):
    for task_id, text in zip(IDS, PAYLOADS, strict=True):
        data, _ = Task(task_id, backend=backend)._repr_mimebundle_()
        assert_static(data["text/html"], safe_text(text))
        assert_harmless(data["text/plain"])

    data, _ = tasks.get(last_n=40, backend=backend)._repr_mimebundle_()
    assert_static(data["text/html"], safe_text(PAYLOADS[0], 40))
    assert_harmless(data["text/plain"])


@pytest.mark.fault(104)
def test_what_objects_print_can_be_seen(backend, tmp_path):
    listed = tasks.get(last_n=40, backend=backend)
    task = listed[0]
    info = task.get_output_info()
    plan = task.download_outputs(dry_run=True)
    killed = KillReport({one: TaskKill(one, None, safe_text(RECORDS[one])) for one in IDS})
    whole = [info, plan, task.check(tmp_path), task.get_output(), task.backend, listed, killed]
    printed = [*map(str, whole), *map(repr, whole), *map(str, map(submission, PAYLOADS))]
    for made in listed:
        printed += [str(made), repr(made), repr(made.info)]
    for file in info.contents:
        printed += [repr(file), repr(task.get_output()[file.name])]

    for one in printed:
        assert_harmless(one)
    for name in PAYLOADS:
        assert safe_text(name, 4096) in str(info) or "\0" in name or "/" in name


def submission(text):
    body = {
        "simulator": text,
        "simulator_name_alias": text,
        "container_image": text,
        "project": text,
        "time_to_live_seconds": None,
        "extra_params": {"commands": [{"cmd": text}]},
    }
    return DryRun(body, machine=text, inputs=text, warnings=[text])


@pytest.mark.fault(104)
def test_a_name_that_is_not_there_is_named_as_text(backend):
    for text in PAYLOADS:
        with pytest.raises(InductivaWidgetsError) as caught:
            Task(IDS[0], backend=backend).download_outputs([f"{text}-not-there"])
        assert_harmless(str(caught.value))


@pytest.mark.fault(104)
def test_frames_are_tables_of_text_and_their_csv_holds_no_formula(backend, tmp_path):
    frame = tasks.list(last_n=40, backend=backend)
    timeline = tasks.timeline(IDS, backend=backend)
    path = tmp_path / "tasks.csv"
    history.to_csv(frame, path)

    for made in (frame, timeline):
        assert Page(made.to_html()).tags <= TABLE_TAGS
    with path.open(encoding="utf-8", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    read = list(history.read_csv(path)["simulator"])
    assert read == [text.replace("\0", "␀") for text in PAYLOADS]


@pytest.mark.fault(104)
def test_views_get_words_that_can_be_seen():
    for summary, text in zip(summaries(), PAYLOADS, strict=True):
        assert summary.simulator == summary.project == safe_text(text)
        assert_harmless(summary.simulator)


# -- the command line, in a terminal -------------------------------------------------------------


def on_screen(service, folder, *words):
    """What a terminal is sent."""
    program = [sys.executable, "-c", "from inductiva_widgets.cli.program import main; main()"]
    keys = {"INDUCTIVA_API_URL": service.url, "INDUCTIVA_API_KEY": KEY, "NO_COLOR": "1"}
    environment = {**os.environ, **keys, "TERM": "xterm", "COLUMNS": "200"}
    ours, theirs = pty.openpty()
    running = subprocess.Popen(
        [*program, *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=folder,
        env=environment,
    )
    os.close(theirs)
    shown = bytearray()
    with contextlib.suppress(OSError):  # the program has ended
        while piece := os.read(ours, 65536):
            shown += piece
    os.close(ours)
    running.wait(60)
    return bytes(shown).decode().replace("\r\n", "\n")


@pytest.mark.fault(40, 104)
@pytest.mark.parametrize(
    "words",
    [
        ("tasks", "list", "--all"),
        ("tasks", "files", IDS[0]),
        ("tasks", "info", IDS[34]),
        ("tasks", "download", IDS[0], "--dry-run"),
        ("tasks", "wait", *IDS),
        ("tasks", "download", IDS[0], PAYLOADS[34] + "!"),
    ],
    ids=["list", "files", "info", "dry run", "wait", "no such name"],
)
def test_a_terminal_is_sent_nothing_but_text(service, tmp_path, words):
    screen = on_screen(service, tmp_path, *words)

    odd = {char for char in screen if unicodedata.category(char) == "Cc"} - set("\n\t\r")
    assert not odd
    assert_harmless(screen.replace("\t", " ").replace("\r", "\n"))
    assert "a\\u001b[31mred" in screen
