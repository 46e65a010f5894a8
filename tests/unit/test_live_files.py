"""The files of a running task on the engine's side: names, places, tails."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inductiva_widgets.errors import NotFoundError, UserInputError
from inductiva_widgets.local import live_files
from inductiva_widgets.local.live_files import FileTail, LiveFolder, last_lines_start


@pytest.fixture
def home(tmp_path):
    home = tmp_path / "task"
    (home / "run" / "sim_dir" / "vtk").mkdir(parents=True)
    (home / "stdout.txt").write_text("out\n")
    (home / "run" / "sim_dir" / "vtk" / "a.vtk").write_text("a\n")
    (home / "token").write_text("secret")
    (tmp_path / "secret.txt").write_text("secret")
    return home


@pytest.fixture
def sim_dir(home):
    return home / "run" / "sim_dir"


def test_files_have_the_names_of_the_outputs(home, sim_dir):
    (sim_dir / "link.txt").symlink_to(home / "token")
    os.mkfifo(sim_dir / "pipe")

    names = [(entry.name, entry.is_folder) for entry in LiveFolder(home).entries()]

    assert names == [("stdout.txt", False), ("vtk", True), ("vtk/a.vtk", False)]


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "vtk",
        "token",
        "../../token",
        "vtk/../../../token",
        "/etc/passwd",
        "..\\..\\token",
        "a\0b",
        "link.txt",
        "out/secret.txt",
        "pipe",
        "loop",
        "nothing",
        "x" * 5000,
    ],
)
def test_no_name_leads_out_of_the_folder(home, sim_dir, name):
    (sim_dir / "link.txt").symlink_to(home / "token")
    (sim_dir / "out").symlink_to(home.parent)
    (sim_dir / "loop").symlink_to(sim_dir / "loop")
    os.mkfifo(sim_dir / "pipe")

    with pytest.raises(NotFoundError, match="File not found"):
        LiveFolder(home).path(name)


def test_a_link_inside_the_folder_is_followed(home, sim_dir):
    (sim_dir / "latest.vtk").symlink_to("vtk/a.vtk")

    assert LiveFolder(home).open_text("latest.vtk").close() is None


@pytest.mark.parametrize("content", [b"\0\1", b"text\n" * 10_000 + b"\0"])
def test_binary_files_are_refused(home, sim_dir, content):
    (sim_dir / "data.bin").write_bytes(content)

    with pytest.raises(UserInputError, match="File is not a text file"):
        LiveFolder(home).open_text("data.bin")


@given(
    st.lists(st.text(alphabet="ab\r é", max_size=30), max_size=40),
    st.booleans(),
    st.integers(0, 50),
    st.integers(1, 64),
)
def test_the_last_lines_begin_where_a_reader_of_all_would_say(
    tmp_path_factory, lines, is_ended, count, block
):
    path = tmp_path_factory.getbasetemp() / "lines.txt"
    text = "\n".join(lines) + "\n" * is_ended
    path.write_bytes(text.encode())
    whole = text.encode().splitlines(keepends=True) if "\r" not in text else _lines(text.encode())
    usual, live_files.BLOCK_BYTES = live_files.BLOCK_BYTES, block
    try:
        with path.open("rb") as file:
            start = last_lines_start(file, count)
    finally:
        live_files.BLOCK_BYTES = usual

    assert text.encode()[start:] == b"".join(whole[-count:] if count else [])


def _lines(data):
    """Lines that end with a line feed alone."""
    parts = data.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


class Reading:
    def __init__(self, home, lines=10):
        self.path = home / "run" / "sim_dir" / "log.txt"
        self.path.write_text("one\ntwo\n")
        self.tail = FileTail(LiveFolder(home), "log.txt", lines)

    def add(self, text):
        with self.path.open("a") as file:
            file.write(text)


@pytest.fixture
def reading(home):
    made = Reading(home)
    yield made
    made.tail.close()


def test_a_line_waits_for_its_end(reading):
    assert reading.tail.look() == ["one", "two"]
    reading.add("thr")
    assert reading.tail.look() == []
    reading.add("ee\nfour")
    assert reading.tail.look() == ["three"]
    assert reading.tail.look(is_last=True) == ["four"]


def test_a_file_that_was_cut_is_read_from_its_start(reading):
    reading.tail.look()
    reading.path.write_text("new\n")

    assert reading.tail.look() == ["new"]


def test_a_file_that_was_replaced_is_read_from_its_start(reading):
    reading.tail.look()
    reading.add("last\n")
    other = reading.path.with_name("other.txt")
    reading.path.rename(other)
    reading.path.write_text("new and longer than before\n")

    assert reading.tail.look() == ["last"]
    assert reading.tail.look() == ["new and longer than before"]


def test_a_file_that_was_removed_may_come_back(reading):
    reading.tail.look()
    reading.path.unlink()
    assert reading.tail.look() == []
    reading.path.write_text("back\n")

    assert [*reading.tail.look(), *reading.tail.look()] == ["back"]


def test_a_line_without_end_is_told_in_pieces(reading):
    reading.tail.look()
    reading.add("x" * (3 * live_files.LOOK_BYTES))

    pieces = [line for _ in range(4) for line in reading.tail.look()]

    assert "".join(pieces) == "x" * (3 * live_files.LOOK_BYTES)
