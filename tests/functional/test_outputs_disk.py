"""Trouble with the disk: full, read-only, vanished; what was there stays, what is told is true."""

from __future__ import annotations

import os
import random
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))

from archive_server import ArchiveServer, Source, zipped

from inductiva_widgets.api.links import LinkTransport
from inductiva_widgets.errors import DestinationError, DiskFullError, DownloadError
from inductiva_widgets.outputs.engine import Outputs
from inductiva_widgets.outputs.folder import OutputFolder

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


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_named(outputs, tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir(0o500)

    with pytest.raises(DestinationError, match="locked"):
        outputs.start_download(folder).result(20)


def test_a_file_in_place_of_the_folder_is_named(outputs, tmp_path):
    (tmp_path / "out").write_text("a file")

    with pytest.raises(DestinationError, match="out"):
        outputs.start_download(tmp_path / "out").result(20)


def test_a_folder_that_vanishes_ends_it(outputs, server, tmp_path):
    folder = tmp_path / "out"
    outputs.directory()

    def vanish(number, handler, span):
        shutil.rmtree(folder, ignore_errors=True)
        return False

    server.faults.append(vanish)
    with pytest.raises(DownloadError):
        outputs.start_download(folder).result(20)
