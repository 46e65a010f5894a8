"""A rename that takes nobody's place, with the system's call for it and without."""

from __future__ import annotations

import errno

import pytest

from inductiva_widgets.outputs import renames
from inductiva_widgets.outputs.folder import OutputFolder


@pytest.fixture(params=["one call", "no call", "refused by the file system"])
def place(request, tmp_path, monkeypatch):
    if request.param == "no call":
        monkeypatch.setattr(renames, "_renameat2", None)
    elif request.param != "one call":
        monkeypatch.setattr(renames, "_renameat2", lambda *_: -1)
        monkeypatch.setattr(renames.ctypes, "get_errno", lambda: errno.EINVAL)
    (tmp_path / "old").write_bytes(b"old")
    folder = OutputFolder(tmp_path)
    with folder.borrow((), create=False) as opened:
        yield opened
    folder.close()


def test_a_free_name_is_given(place, tmp_path):
    place.rename_new("old", "new")

    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_a_name_that_is_taken_is_left_alone(place, tmp_path):
    (tmp_path / "new").write_bytes(b"mine")

    with pytest.raises(FileExistsError):
        place.rename_new("old", "new")

    assert (tmp_path / "new").read_bytes() == b"mine"
    assert (tmp_path / "old").read_bytes() == b"old"


def test_a_link_that_leads_nowhere_has_the_name_too(place, tmp_path):
    (tmp_path / "new").symlink_to("nowhere")

    with pytest.raises(FileExistsError):
        place.rename_new("old", "new")


def test_what_is_not_there_cannot_be_renamed(place):
    with pytest.raises(FileNotFoundError):
        place.rename_new("gone", "new")
