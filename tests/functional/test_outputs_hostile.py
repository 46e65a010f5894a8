"""Hostile and odd archives, through every front, all files and files by name: each member is
delivered, or refused with a reason that names it. The cases are in `tests/unit/odd_archives.py`.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import queue
import re
import shutil
import stat
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from click.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))
sys.path.insert(0, str(Path(__file__).parents[1]))

from archive_server import ArchiveServer
from odd_archives import CASES, CONTENT, GOOD, Entry, with_good
from scripted import ScriptedServer, ok, refusal

from inductiva_widgets import backend as backends
from inductiva_widgets.api.config import ApiKey, Config, normalise_url
from inductiva_widgets.backend import Backend
from inductiva_widgets.cli import program
from inductiva_widgets.errors import DownloadError, InductivaWidgetsError, UserInputError
from inductiva_widgets.formats import safe_text
from inductiva_widgets.outputs.listing import check_filenames
from inductiva_widgets.service.dispatch import Service
from inductiva_widgets.task import Task
from inductiva_widgets.task.files import outputs_of

pytestmark = pytest.mark.skipif(
    sys.platform != "linux",
    # The names expected here are those that Linux can hold. What other systems are given is
    # tested on all of them, as a parameter, in unit/test_extract.py and unit/test_download.py.
    reason="the names expected are those of Linux",
)

ID = "i4ir3kvv62odsfrhko4y8w2an"
DONE = {"task_id": ID, "id": ID, "status": "success", "is_terminated": True}


class Setting:
    """A service with one task, a storage with its archive, and a folder to download to."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.folder = place / ID / "outputs"
        self.storage = ArchiveServer(b"")
        self.api = ScriptedServer()
        answers = {
            f"GET /tasks/{ID}": ok(DONE),
            f"GET /tasks/{ID}/status": ok(DONE),
            "GET /storage/signed-urls": ok([self.storage.url]),
        }
        self.api.route = lambda asked: answers.get(
            f"{asked.method} {asked.path.partition('?')[0]}", refusal(404, "There is none.")
        )
        self.backend = self.connected()

    def connected(self) -> Backend:
        url = normalise_url(self.api.url)
        return Backend(Config(url, ApiKey("a-key"), "the test", self.place, is_local=False))

    def close(self) -> None:
        self.backend.close()
        self.api.close()
        self.storage.close()

    def begin(self, body: bytes) -> None:
        shutil.rmtree(self.place, ignore_errors=True)
        self.place.mkdir()
        (self.place / "mine.txt").write_text("mine")
        self.storage.body = body

    @property
    def found(self) -> dict[str, bytes]:
        paths = [path for path in self.folder.rglob("*") if stat.S_ISREG(path.lstat().st_mode)]
        return {path.relative_to(self.folder).as_posix(): path.read_bytes() for path in paths}

    def oddities(self) -> list[str]:
        """What should not be there: things beside the folder, links, devices, leftovers."""
        found = [
            str(path.relative_to(self.place))
            for path in self.place.rglob("*")
            if not stat.S_ISREG(path.lstat().st_mode) and not stat.S_ISDIR(path.lstat().st_mode)
        ]
        found += [path.name for path in self.place.iterdir() if path.name not in (ID, "mine.txt")]
        found += [path.name for path in self.folder.rglob(".*") if path.suffix == ".part"]
        return found + [path.name for path in self.folder.glob(".inductiva-*")]


@dataclass
class Outcome:
    """What a front said. `reasons` by name, where it tells them one by one."""

    is_success: bool
    text: str = ""
    error: str = ""
    reasons: dict[str, str] = field(default_factory=dict)


def by_library(setting: Setting, names: list[str] | None) -> Outcome:
    task = Task(ID, backend=setting.backend)
    try:
        task.start_download(names).result(30)
    except DownloadError as error:
        return Outcome(False, str(error), type(error).__name__, error.failed)
    except InductivaWidgetsError as error:
        return Outcome(False, str(error), type(error).__name__)
    return Outcome(True)


def by_command_line(setting: Setting, names: list[str] | None) -> Outcome:
    words = ["tasks", "download", ID, *(f"--filenames={name}" for name in names or [])]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backends, "find", setting.connected)
        ran = CliRunner().invoke(program.cli, words, standalone_mode=False)
    if isinstance(ran.exception, InductivaWidgetsError):  # `program.main` prints it
        return Outcome(False, str(ran.exception))
    assert ran.exception is None, ran.exception
    return Outcome(ran.return_value == 0, ran.stderr)


def by_view(setting: Setting, names: list[str] | None) -> Outcome:
    told: queue.Queue = queue.Queue()
    with contextlib.closing(Service(setting.backend)) as service:
        try:
            meta, _ = service.call("outputs.list", {"task_id": ID})
            listing = outputs_of(Task(ID, backend=setting.backend)).directory()
            service.subscribe(f"task/{ID}", told.put)
            buffers = []
            if names is not None:
                bits = bytearray((len(listing) + 7) // 8)
                for row in (row for name in names for row in listing.rows(name)):
                    bits[row >> 3] |= 1 << (row & 7)
                buffers = [gzip.compress(bits)]
            order = {"task_id": ID, "revision": meta["revision"]}
            service.call("outputs.download", order, buffers)
        except InductivaWidgetsError as error:
            return Outcome(False, str(error), type(error).__name__)
        reasons: dict[str, str] = {}
        while True:
            event = told.get(timeout=20)["event"]
            if event["kind"] != "download":
                continue
            event = event["download"]
            reasons |= {listing.names[int(row)]: why for row, why in event["reasons"].items()}
            if event["state"] != "running":
                break
    failed = {name: why for name, why in reasons.items() if event["state"] == "failed"}
    text = event["error"]["message"] if event["error"] else ""
    return Outcome(event["state"] == "done", text, reasons=failed)


FRONTS = {"library": by_library, "command line": by_command_line, "view": by_view}


@pytest.fixture
def setting(tmp_path):
    with contextlib.closing(Setting(tmp_path / "place")) as made:
        yield made


def can_be_asked_for(name: str) -> bool:
    try:
        check_filenames([name])
    except UserInputError:
        return False
    return True


def complaints(setting: Setting, case, said: Outcome, refused: dict[str, str]) -> list[str]:
    """Where this is not what the table says."""
    wrong = []
    if setting.found != case.found:
        wrong.append(f"files: {sorted(setting.found)}")
    wrong += setting.oddities()
    words = list(refused.values()) + ([case.whole] if case.whole else [])
    if said.is_success is bool(words):
        wrong.append(f"success: {said.is_success}, {said.text}")
    if words and not re.search("|".join(words), said.text):
        wrong.append(f"text: {said.text}")
    for name, reason in refused.items():
        if safe_text(name)[:100] not in said.text:
            wrong.append(f"{name!r} is not in: {said.text}")
        if said.reasons and not re.search(reason, said.reasons.get(name, "")):
            wrong.append(f"reason: {said.reasons}")
    if said.reasons and set(said.reasons) != set(refused):
        wrong.append(f"reasons: {said.reasons}")
    if said.error and said.error != case.error and words:
        wrong.append(f"class: {said.error}")
    return wrong


@pytest.mark.fault(
    33, 34, 35, 36, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 52, 53, 54, 55, 56
)
@pytest.mark.parametrize("front", FRONTS)
def test_all_files(setting, front):
    umask = os.umask(0)
    os.umask(umask)
    wrong = {}
    for name, case in CASES.items():
        setting.begin(case.body)

        said = FRONTS[front](setting, None)

        found = complaints(setting, case, said, case.refused)
        found += [f for f in case.folders if not (setting.folder / f).is_dir()]
        for file, mode in case.modes.items():
            if stat.S_IMODE((setting.folder / file).stat().st_mode) != mode & ~umask:
                found.append(f"mode of {file}")
        if found:
            wrong[name] = found
    assert wrong == {}


@pytest.mark.fault(
    33, 34, 35, 36, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 52, 53, 54, 55, 56
)
@pytest.mark.parametrize("front", FRONTS)
def test_files_by_name(setting, front):
    wrong = {}
    for name, case in CASES.items():
        setting.begin(case.body)
        asked = case.names or (list(GOOD) if case.whole else [])
        if front != "view":  # where a tick and no text chooses
            asked = [listed for listed in asked if can_be_asked_for(listed)]
        refused = {listed: why for listed, why in case.refused.items() if listed in asked}
        if not asked:
            continue

        said = FRONTS[front](setting, asked)

        found = complaints(setting, case, said, refused)
        if found:
            wrong[name] = found
    assert wrong == {}


@pytest.mark.fault(95)
@pytest.mark.parametrize("front", ["library", "command line"])
def test_names_that_lead_elsewhere_are_refused_before_any_request(setting, front):
    names = [name for case in CASES.values() for name in case.refused if not can_be_asked_for(name)]
    setting.begin(with_good())

    for name in names:
        said = FRONTS[front](setting, [name])

        assert not said.is_success
        assert re.search(r"absolute path|leads out|no file name", said.text)
    assert len(names) >= 10
    assert setting.api.asked == []
    assert setting.storage.requests == []


@pytest.mark.fault(62)
def test_a_planted_link_is_not_followed(setting, tmp_path):
    setting.begin(with_good(Entry("vtk/a.txt")))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    setting.folder.mkdir(parents=True)
    (setting.folder / "vtk").symlink_to(elsewhere)

    said = by_library(setting, None)

    assert set(said.reasons) == {"vtk/a.txt"}
    assert list(elsewhere.iterdir()) == []
    assert (setting.folder / "good.txt").read_bytes() == GOOD["good.txt"]


@pytest.mark.fault(62)
def test_a_planted_journal_leads_nowhere(setting, tmp_path):
    setting.begin(with_good(Entry("vtk/a.txt")))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "pin").write_text("mine")
    setting.folder.mkdir(parents=True)
    (setting.folder / ".inductiva-0123456789ab").symlink_to(elsewhere)

    assert by_library(setting, None).is_success

    assert [path.name for path in elsewhere.iterdir()] == ["pin"]
    assert (setting.folder / "vtk/a.txt").read_bytes() == CONTENT
