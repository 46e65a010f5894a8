"""What is written of received bytes, and when."""

from __future__ import annotations

import pytest

from inductiva_widgets.outputs.budget import Budget
from inductiva_widgets.outputs.folder import OutputFolder
from inductiva_widgets.outputs.journal import Journal
from inductiva_widgets.outputs.ranges import ByteRange

SIZE = 1000
CHUNKS = [ByteRange(start, start + 10 * SIZE) for start in (0, 10 * SIZE)]
PIECES = [bytes([number]) * SIZE for number in range(20)]


@pytest.fixture
def folder(tmp_path):
    opened = OutputFolder(tmp_path)
    yield opened
    opened.close()


def begun(folder):
    """A journal of two chunks with a member each, all of their bytes received."""
    journal = Journal.open(folder, "pin")
    journal.watch(CHUNKS, [0, 10 * SIZE], [10 * SIZE, 20 * SIZE])
    for number, piece in enumerate(PIECES):
        journal.keep(CHUNKS[number // 10], piece)
    return journal


def written(folder):
    (place,) = folder.path.glob(".inductiva-*")
    return {path.name: path.stat().st_size for path in place.iterdir() if path.name.isdecimal()}


def test_the_last_two_percent_wait_in_memory(folder):
    journal = begun(folder)

    assert sum(written(folder).values()) == 20 * SIZE  # 2 % are less than one piece

    journal.close(remove=True)


def test_what_waits_is_written_when_the_download_ends_too_soon(folder, monkeypatch):
    monkeypatch.setattr("inductiva_widgets.outputs.journal.LATE_SHARE", 1.0)
    journal = begun(folder)
    assert written(folder) == {}

    journal.close(remove=False)

    again = Journal.open(folder, "pin")
    assert again.kept == CHUNKS
    assert b"".join(b"".join(again.read(chunk)) for chunk in CHUNKS) == b"".join(PIECES)
    again.close(remove=True)


def test_what_is_verified_meanwhile_is_never_written(folder, monkeypatch):
    monkeypatch.setattr("inductiva_widgets.outputs.journal.LATE_SHARE", 1.0)
    journal = begun(folder)
    journal.received(CHUNKS[0])
    journal.settle(0, 10 * SIZE, 1)

    journal.close(remove=False)

    assert written(folder) == {str(10 * SIZE): 10 * SIZE}


def test_what_is_verified_later_is_removed(folder):
    journal = begun(folder)
    for chunk in CHUNKS:
        journal.received(chunk)

    journal.settle(0, 10 * SIZE, 1)

    assert written(folder) == {str(10 * SIZE): 10 * SIZE}
    journal.close(remove=True)
    assert list(folder.path.iterdir()) == []


def test_all_downloads_together_keep_little_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("inductiva_widgets.outputs.journal.LATE_SHARE", 1.0)
    monkeypatch.setattr("inductiva_widgets.outputs.journal.LATE", late := Budget(6 * SIZE))
    folders = [OutputFolder(tmp_path / str(number)) for number in range(3)]

    journals = [begun(folder) for folder in folders]

    assert late.held_bytes < 6 * SIZE
    on_disk = sum(sum(written(folder).values()) for folder in folders)
    assert on_disk + late.held_bytes == 3 * 20 * SIZE
    for journal, keeps in zip(journals, (True, False, False), strict=True):
        journal.close(remove=not keeps)
    assert late.held_bytes == 0
    for folder in folders:
        folder.close()
