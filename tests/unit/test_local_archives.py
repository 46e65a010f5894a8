"""Inputs are unpacked without harm, outputs packed so that they can be read by ranges."""

from __future__ import annotations

import os
import zipfile
import zlib

import pytest

from inductiva_widgets.errors import BadArchiveError, UnsafeMemberError
from inductiva_widgets.local import archives


def make_zip(path, entries):
    with zipfile.ZipFile(path, "w") as archive:
        for name, mode in entries:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, b"x")
    return path


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("../a", 0),
        ("/a", 0),
        ("a/../../b", 0),
        ("a\\b", 0),
        ("..", 0),
        ("link", 0o120777),
        ("device", 0o020666),
        ("pipe", 0o010666),
    ],
)
def test_unsafe_members_are_refused_and_nothing_leaves_the_folder(tmp_path, name, mode):
    archive = make_zip(tmp_path / "in.zip", [(name, mode)])

    with pytest.raises(UnsafeMemberError):
        archives.unpack(archive, tmp_path / "deep" / "out", limit_bytes=100)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["deep", "in.zip"]
    assert not list((tmp_path / "deep" / "out").rglob("*"))


def test_inputs_beyond_the_limit_are_refused_before_anything_is_written(tmp_path):
    archive = make_zip(tmp_path / "in.zip", [("a", 0), ("b", 0)])

    with pytest.raises(BadArchiveError, match="more than"):
        archives.unpack(archive, tmp_path / "out", limit_bytes=1)

    assert not list((tmp_path / "out").iterdir())


def test_special_permission_bits_are_dropped(tmp_path):
    archive = make_zip(tmp_path / "in.zip", [("run", 0o104755), ("data", 0o100644)])

    archives.unpack(archive, tmp_path / "out", limit_bytes=100)

    assert (tmp_path / "out" / "run").stat().st_mode & 0o7777 == 0o755
    assert not (tmp_path / "out" / "data").stat().st_mode & 0o111


def test_only_what_was_made_or_changed_is_packed(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("same", "longer", "touched", "replaced"):
        (folder / name).write_text(name)
    before = archives.snapshot(folder)
    (folder / "longer").write_text("longer by much")
    os.utime(folder / "touched", ns=(1, 1))
    (folder / "replaced.new").write_text("replaced")
    os.utime(folder / "replaced.new", ns=(1, before["replaced"][1]))
    (folder / "replaced.new").rename(folder / "replaced")
    (folder / "new").write_text("new")

    packed = archives.pack(folder, before, {}, tmp_path / "out.zip")

    names = zipfile.ZipFile(tmp_path / "out.zip").namelist()
    assert sorted(names) == ["artifacts/"] + [
        f"artifacts/{name}" for name in ("longer", "new", "replaced", "touched")
    ]
    assert packed.files == 4
    assert not list(tmp_path.glob(".*"))


def test_files_that_were_made_unreadable_or_old_are_packed_all_the_same(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "secret").write_text("x")
    (folder / "secret").chmod(0)
    (folder / "ancient").write_text("y")
    os.utime(folder / "ancient", (0, 0))

    archives.pack(folder, {}, {}, tmp_path / "out.zip")

    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert archive.read("artifacts/secret") == b"x"
        assert archive.getinfo("artifacts/ancient").date_time[0] == 1980


def test_a_failed_packing_leaves_no_archive_under_the_final_name(tmp_path, monkeypatch):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "a").write_text("a")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archives, "_add_file", full)
    with pytest.raises(OSError, match="No space"):
        archives.pack(folder, {}, {}, tmp_path / "out.zip")

    assert not (tmp_path / "out.zip").exists()
    assert not list(tmp_path.glob(".*"))


def test_the_range_of_a_member_holds_its_raw_data(tmp_path):
    folder = tmp_path / "run"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "a.txt").write_text("wave " * 1000)
    archives.pack(folder, {}, {}, tmp_path / "out.zip")

    found = archives.member_range(tmp_path / "out.zip", "artifacts/sub/", "a.txt")

    raw = (tmp_path / "out.zip").read_bytes()[found["range_start"] : found["range_end"] + 1]
    assert zlib.decompress(raw, -15) == b"wave " * 1000
    assert archives.member_range(tmp_path / "out.zip", "artifacts", "sub") is None


def test_an_empty_member_has_a_range_without_a_byte(tmp_path):
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        archive.writestr("empty", b"")

    found = archives.member_range(tmp_path / "in.zip", "", "empty")

    assert found["range_end"] == found["range_start"] - 1
