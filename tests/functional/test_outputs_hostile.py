"""Hostile and odd archives, all of them and one member at a time: delivered, or refused and why."""

from __future__ import annotations

import io
import stat
import sys
import warnings
import zipfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))

from archive_server import ArchiveServer, Source

from inductiva_widgets.api.links import LinkTransport
from inductiva_widgets.errors import (
    ArchiveTooLargeError,
    CorruptMemberError,
    DownloadError,
    UnsafeMemberError,
    UnsupportedMemberError,
)
from inductiva_widgets.outputs.engine import Outputs

GOOD = {"good.txt": b"good" * 100}
LONG = "x" * 256


def made(*members: tuple[object, bytes], prefix: str = "artifacts/") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        archive.writestr("artifacts/good.txt", GOOD["good.txt"])
        for name, content in members:
            info = name if isinstance(name, zipfile.ZipInfo) else f"{prefix}{name}"
            archive.writestr(info, content)
    return buffer.getvalue()


def kind(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(f"artifacts/{name}")
    info.external_attr = mode << 16
    return info


def patched(body: bytes, name: str, at: int, new: bytes, *, local: bool = False) -> bytes:
    """The same archive with bytes of one member's entry, or local header, changed."""
    mark, head = (b"PK\x03\x04", 30) if local else (b"PK\x01\x02", 46)
    place = body.index(f"artifacts/{name}".encode(), body.index(mark))
    entry = place - head
    assert body[entry : entry + 4] == mark
    return body[: entry + at] + new + body[entry + at + len(new) :]


BAD = made(("bad.txt", b"bad" * 500))
BOMB = made(("bad.txt", bytes(150_000_000)))
REFUSED = {
    "parent": (made(("../bad.txt", b"x")), UnsafeMemberError),
    "inner parent": (made(("a/../../bad.txt", b"x")), UnsafeMemberError),
    "absolute": (made(("/etc/bad.txt", b"x")), UnsafeMemberError),
    "drive": (made(("C:/bad.txt", b"x")), UnsafeMemberError),
    "backslash": (made(("..\\bad.txt", b"x")), UnsafeMemberError),
    "network share": (made(("\\\\host\\bad.txt", b"x")), UnsafeMemberError),
    "long name": (made((LONG, b"x")), UnsafeMemberError),
    "long path": (made(("/".join(["d" * 200] * 25), b"x")), UnsafeMemberError),
    "link": (made((kind("bad.txt", stat.S_IFLNK | 0o777), b"/etc/passwd")), UnsafeMemberError),
    "pipe": (made((kind("bad.txt", stat.S_IFIFO | 0o666), b"")), UnsafeMemberError),
    "device": (made((kind("bad.txt", stat.S_IFCHR | 0o666), b"")), UnsafeMemberError),
    "two contents": (made(("bad.txt", b"one"), ("bad.txt", b"two")), UnsafeMemberError),
    "file and folder": (made(("bad", b"x"), ("bad/in.txt", b"y")), UnsafeMemberError),
    "encrypted": (patched(BAD, "bad.txt", 8, b"\1\0"), UnsupportedMemberError),
    "deflate64": (patched(BAD, "bad.txt", 10, b"\x09\0"), UnsupportedMemberError),
    "zstd": (patched(BAD, "bad.txt", 10, b"\x5d\0"), UnsupportedMemberError),
    "crc": (patched(BAD, "bad.txt", 16, b"\1\2\3\4"), CorruptMemberError),
    "size too small": (patched(BAD, "bad.txt", 24, b"\1\0"), CorruptMemberError),
    "size too big": (patched(BAD, "bad.txt", 24, b"\xff\xff"), CorruptMemberError),
    "offset beyond": (patched(BAD, "bad.txt", 42, b"\xff\xff\xff\x7f"), CorruptMemberError),
    "local method": (patched(BAD, "bad.txt", 8, b"\0\0", local=True), CorruptMemberError),
    "local size": (patched(BAD, "bad.txt", 22, b"\1\1\1\1", local=True), CorruptMemberError),
    "bomb": (BOMB, ArchiveTooLargeError),
}
DELIVERED = {
    "newline": "a\nb.txt",
    "escape": "a\x1b[31mb.txt",
    "right to left": "a\u202etxt.exe",
    "html": "<img src=x onerror=alert(1)>.txt",
    "formula": "=1+1.csv",
    "shell": "$(rm -rf x);`id`.txt",
    "umlaut": "grün/größe.txt",
    "combining": "gru\u0308n.txt",
    "longest": "y" * 255,
    "device name": "con.txt",
    "dots": "...txt",
}


class Setting:
    def __init__(self, folder: Path) -> None:
        self.folder = folder / "out"
        self.server = ArchiveServer(b"")
        self.transport = LinkTransport()

    def get(self, body: bytes, *, selected: bool):
        self.server.body = body
        outputs = Outputs(self.transport, Source(self.server))
        indices = range(len(outputs.directory())) if selected else None
        return outputs.start_download(self.folder, indices=indices).result(30)

    @property
    def found(self) -> dict[str, bytes]:
        return {
            path.relative_to(self.folder).as_posix(): path.read_bytes()
            for path in self.folder.rglob("*")
            if path.is_file()
        }


@pytest.fixture
def setting(tmp_path):
    made = Setting(tmp_path)
    yield made
    made.transport.close()
    made.server.close()


@pytest.mark.parametrize("selected", [False, True], ids=["all", "selected"])
@pytest.mark.parametrize("case", REFUSED)
def test_refused_by_name_and_nothing_else_touched(setting, tmp_path, case, selected):
    body, error = REFUSED[case]

    with pytest.raises(DownloadError) as caught:
        setting.get(body, selected=selected)

    assert isinstance(caught.value, error), caught.value
    assert len(caught.value.failed) == 1
    assert "good.txt" not in caught.value.failed
    found = setting.found
    assert found.pop("good.txt") == GOOD["good.txt"]
    assert set(found) <= {"bad/in.txt"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert not [path for path in setting.folder.rglob("*") if path.is_symlink()]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows writes other names: test_extract.py")
@pytest.mark.parametrize("selected", [False, True], ids=["all", "selected"])
@pytest.mark.parametrize("case", DELIVERED)
def test_odd_names_are_written_as_they_are(setting, case, selected):
    name = DELIVERED[case]

    setting.get(made((name, b"content")), selected=selected)

    assert setting.found == {**GOOD, name: b"content"}


def test_what_lies_beside_the_outputs_is_no_output(setting):
    setting.get(
        made(("output.json", b"{}"), ("artifacts_evil/z", b"z"), ("artifactsx", b"x"), prefix=""),
        selected=False,
    )

    assert setting.found == GOOD


def test_a_planted_link_is_not_followed(setting, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    setting.folder.mkdir()
    (setting.folder / "vtk").symlink_to(elsewhere)

    with pytest.raises(DownloadError):
        setting.get(made(("vtk/a.txt", b"x")), selected=False)

    assert list(elsewhere.iterdir()) == []


def test_a_planted_journal_leads_nowhere(setting, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "pin").write_text("mine")
    setting.folder.mkdir()
    (setting.folder / ".inductiva-0123456789ab").symlink_to(elsewhere)

    setting.get(made(("vtk/a.txt", b"x")), selected=False)

    assert [path.name for path in elsewhere.iterdir()] == ["pin"]
    assert setting.found["vtk/a.txt"] == b"x"
