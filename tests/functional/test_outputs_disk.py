"""Trouble with the disk: full, read-only, vanished, shared, of another alphabet.

What was there stays, what is told is true.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))

from archive_server import ArchiveServer, Source, zipped

from inductiva_widgets.api.links import LinkTransport
from inductiva_widgets.errors import DestinationError, DiskFullError, DownloadError
from inductiva_widgets.outputs.engine import Outputs
from inductiva_widgets.outputs.folder import OutputFolder
from inductiva_widgets.outputs.journal import Journal

resource = pytest.importorskip("resource", reason="limits of a process are Unix")

FILES = {"small.txt": b"small", "large.bin": random.Random(4).randbytes(3_000_000)}


@pytest.fixture
def server():
    made = ArchiveServer(zipped(FILES))
    yield made
    made.close()


@pytest.fixture
def outputs(server):
    transport = LinkTransport()
    yield Outputs(transport, Source(server))
    transport.close()


@pytest.fixture
def little_room():
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, before)
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def found(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.parent.name.startswith(".inductiva-")
    }


@pytest.mark.fault(57)
@pytest.mark.parametrize("uncompress", [True, False])
def test_a_full_disk_is_told_keeps_what_was_there_and_can_be_gone_on_from(
    outputs, server, tmp_path, little_room, uncompress
):
    old = tmp_path / ("large.bin" if uncompress else "output.zip")
    old.write_bytes(b"old")

    with pytest.raises(DiskFullError):
        outputs.start_download(tmp_path, uncompress=uncompress, overwrite="replace").result(20)
    assert old.read_bytes() == b"old"
    assert set(found(tmp_path)) - {path.name for path in tmp_path.glob("*.part")} <= {
        old.name,
        "small.txt",
        *(path.name for path in tmp_path.glob(".*.part")),
    }
    little_room()
    outputs.start_download(tmp_path, uncompress=uncompress, overwrite="replace").result(20)

    assert found(tmp_path) == (FILES if uncompress else {"output.zip": server.body})


@pytest.mark.fault(58)
def test_too_little_room_is_told_before_any_byte_of_a_member(
    outputs, server, tmp_path, monkeypatch
):
    monkeypatch.setattr(OutputFolder, "free_bytes", lambda _: 1000)
    outputs.directory()
    requests = len(server.requests)

    with pytest.raises(DiskFullError, match="are needed"):
        outputs.start_download(tmp_path / "out").result(20)

    assert len(server.requests) == requests


def test_without_room_for_a_journal_the_files_still_come(outputs, tmp_path, monkeypatch):
    monkeypatch.setattr(OutputFolder, "free_bytes", lambda _: 3_100_000)

    outputs.start_download(tmp_path).result(20)

    assert found(tmp_path) == FILES


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 2 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk; the limit of a process stands in for it")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.fault(57)
@pytest.mark.parametrize("is_known", [True, False])
def test_a_disk_that_is_full_is_told(outputs, small_disk, monkeypatch, is_known):
    (small_disk / "large.bin").write_bytes(b"old")
    if not is_known:  # others fill it meanwhile
        monkeypatch.setattr(OutputFolder, "free_bytes", lambda _: 1 << 40)

    with pytest.raises(DiskFullError) as caught:
        outputs.start_download(small_disk, overwrite="replace").result(20)

    assert "large.bin" in caught.value.failed
    assert (small_disk / "large.bin").read_bytes() == b"old"
    assert {path.name for path in small_disk.glob("[!.]*")} <= {"large.bin", "small.txt"}
    assert list(small_disk.glob(".*.part")) == []


CHILD = """
import json, os, sys
from pathlib import Path
from inductiva_widgets.api.links import LinkTransport
from inductiva_widgets.errors import DownloadError
from inductiva_widgets.outputs.engine import Outputs

class Source:
    def url(self):
        return sys.argv[1]
    def renew(self, old_url):
        return old_url

{before}
failed, error = {{}}, None
print("ready", flush=True)
sys.stdin.readline()
try:
    Outputs(LinkTransport(), Source()).start_download(Path(sys.argv[2])).result(30)
except DownloadError as raised:
    failed, error = raised.failed, [type(raised).__name__, str(raised)]
print(json.dumps([failed, error]))
"""
# Root may write everywhere: the child is root no more, once all modules are loaded.
AS_NOBODY = """
Outputs(LinkTransport(), Source()).start_download(Path(sys.argv[2]).with_name("seen")).result(30)
if os.geteuid() == 0:
    os.setgroups([]), os.setgid(65534), os.setuid(65534)
target = Path(sys.argv[2])
target.mkdir(0o700)
(target / sys.argv[3]).mkdir(exist_ok=True)
(target / sys.argv[3]).chmod(0o500)
"""


@contextlib.contextmanager
def child(server, folder, *words, before="", **environment):
    code = CHILD.format(before=before)
    with subprocess.Popen(
        [sys.executable, "-c", code, server.url, str(folder), *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": ":".join(filter(None, sys.path)), **environment},
    ) as process:
        assert process.stdout.readline() == b"ready\n"
        yield process


def said_by(process):
    """Names not delivered with their reasons, and the error's class and text."""
    return json.loads(process.communicate(b"go\n", timeout=30)[0])


@pytest.fixture
def open_folder():
    """A folder that everybody may enter and write to: those of pytest are closed."""
    place = Path(tempfile.mkdtemp(dir="/tmp"))
    place.chmod(0o777)
    yield place
    shutil.rmtree(place)


@pytest.mark.fault(59)
def test_a_folder_that_cannot_be_written_is_named(server, open_folder):
    target = open_folder / "locked"

    with child(server, target, ".", before=AS_NOBODY) as process:
        failed, error = said_by(process)

    assert set(failed) == set(FILES)
    assert error[0] == "DestinationError"
    assert "locked" in error[1]
    assert "Permission denied" in error[1]
    assert list(target.iterdir()) == []


@pytest.mark.fault(59)
def test_a_locked_folder_inside_hides_no_other_file(server, open_folder):
    server.body = zipped({**FILES, "locked/in.txt": b"in"})
    target = open_folder / "out"

    with child(server, target, "locked", before=AS_NOBODY) as process:
        failed, error = said_by(process)

    assert set(failed) == {"locked/in.txt"}
    assert error[0] == "DestinationError"
    assert found(target) == FILES
    assert list(target.glob(".*")) == []


@pytest.mark.fault(63)
def test_two_processes_at_once_both_succeed(server, tmp_path):
    server.bytes_per_s = 20e6
    with contextlib.ExitStack() as ends:
        children = [ends.enter_context(child(server, tmp_path / "out")) for _ in range(3)]
        for process in children:
            process.stdin.write(b"go\n")
            process.stdin.flush()
        said = [json.loads(process.communicate(timeout=30)[0]) for process in children]

    assert said == [[{}, None]] * 3
    assert found(tmp_path / "out") == FILES
    assert list((tmp_path / "out").glob(".*")) == []


@pytest.mark.fault(63)
def test_a_journal_just_made_is_not_lost_to_another_download(tmp_path, monkeypatch):
    """Between making its folder and locking it, it looks like one left behind."""
    make, others = OutputFolder.open, []
    with (
        contextlib.closing(OutputFolder(tmp_path)) as mine,
        contextlib.closing(OutputFolder(tmp_path)) as theirs,
    ):

        def interrupted(folder, names, *, create):
            place = make(folder, names, create=create)
            if folder is mine and create and not others:
                others.append(Journal.open(theirs, "pin"))
            return place

        monkeypatch.setattr(OutputFolder, "open", interrupted)
        journals = [Journal.open(mine, "pin"), *others]

        assert len(journals) == len(list(tmp_path.iterdir())) == 2
        for journal in journals:
            journal.close(remove=True)

    assert list(tmp_path.iterdir()) == []


ODD = {"größe.txt": b"in UTF-8", "plain.txt": b"plain", "波/x.txt": b"wave"}


@pytest.mark.fault(67)
@pytest.mark.parametrize("is_coerced", [True, False])
def test_a_system_of_another_alphabet_gets_what_it_can_hold(server, tmp_path, is_coerced):
    server.body = zipped(ODD)
    python = {} if is_coerced else {"PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}

    with child(server, tmp_path / "out", LC_ALL="C", LANG="C", **python) as process:
        failed, error = said_by(process)

    if is_coerced:  # as Python does by itself
        assert (failed, error) == ({}, None)
        assert found(tmp_path / "out") == ODD
    else:
        assert set(failed) == {"größe.txt", "波/x.txt"}
        assert all("cannot be written by this system" in reason for reason in failed.values())
        assert error[0] == "UnsafeMemberError"
        assert found(tmp_path / "out") == {"plain.txt": b"plain"}


@pytest.mark.fault(41)
def test_a_target_as_deep_as_paths_may_be_takes_longer_ones(outputs, server, tmp_path, monkeypatch):
    """Folders are opened one below the other: only what is given as a path has a limit."""
    name = "/".join(["d" * 200] * 15) + "/deep.txt"
    server.body = zipped({name: b"deep"})
    target = tmp_path / "/".join(["t" * 200] * 15)

    assert outputs.start_download(target).result(20) == target

    assert len(f"{target}/{name}") > os.pathconf("/", "PC_PATH_MAX")
    for step in (target, *Path(name).parts[:-1]):
        monkeypatch.chdir(step)
    assert Path("deep.txt").read_bytes() == b"deep"
    monkeypatch.chdir("/")


@pytest.mark.fault(59)
def test_a_file_in_place_of_the_folder_is_named(outputs, tmp_path):
    (tmp_path / "out").write_text("a file")

    with pytest.raises(DestinationError, match="out"):
        outputs.start_download(tmp_path / "out").result(20)


@pytest.mark.fault(59)
def test_a_folder_that_vanishes_ends_it(outputs, server, tmp_path):
    folder = tmp_path / "out"
    outputs.directory()

    def vanish(number, handler, span):
        shutil.rmtree(folder, ignore_errors=True)
        return False

    server.faults.append(vanish)
    with pytest.raises(DownloadError):
        outputs.start_download(folder).result(20)
