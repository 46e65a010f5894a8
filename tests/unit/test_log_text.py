"""The text of a log: every byte in its place, commands and errors found, however it arrives."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inductiva_widgets.service import log_text
from inductiva_widgets.service.log_text import LogText

EVERYTHING = 1 << 40


def framed(command, text):
    return (
        f"# COMMAND: {command.split()}\n# Working directory: sim\n# Env: {{'A': '1'}}\n\n"
        f"{text} -------\n"
    )


def read(text, limit=EVERYTHING, piece=None, head=EVERYTHING, tail=0):
    content = text.encode() if isinstance(text, str) else text
    piece = piece or max(1, len(content))
    pieces = (content[i : i + piece] for i in range(0, len(content), piece))
    return LogText(pieces, limit, head, tail)


def blocks(part):
    return list(zip(part.blocks[::3], part.blocks[1::3], part.blocks[2::3], strict=True))


def text_of(log, part):
    return b"".join(log.read(offset, size) for offset, size, _ in blocks(part)).decode()


# -- commands ----------------------------------------------------------------------------------


def test_each_command_has_its_text_without_the_frame():
    log = read(framed("blockMesh", "Create time\nEnd\n") + framed("mpirun -np 4 interFoam", "x\n"))

    assert [part.command for part in log.parts] == ["blockMesh", "mpirun -np 4 interFoam"]
    assert [text_of(log, part) for part in log.parts] == ["Create time\nEnd\n", "x\n"]
    assert [(part.line, part.lines) for part in log.parts] == [(4, 2), (11, 1)]
    assert log.lines == 13


def test_a_command_that_wrote_nothing_is_listed():
    log = read(framed("true", "") + framed("false", ""))

    assert [(part.command, part.lines) for part in log.parts] == [("true", 0), ("false", 0)]


def test_text_without_frames_is_one_part():
    log = read("a\n\nb")

    assert [(part.command, part.line, part.lines) for part in log.parts] == [("", 0, 3)]
    assert text_of(log, log.parts[0]) == "a\n\nb"


def test_text_outside_of_frames_is_kept():
    log = read("before\n" + framed("solve", "x\n") + "after\n")

    assert [(p.command, text_of(log, p)) for p in log.parts] == [
        ("", "before\n"),
        ("solve", "x\n"),
        ("", "after\n"),
    ]


def test_words_with_quotes_are_the_command():
    log = read("""# COMMAND: ['bash', '-c', "echo 'a b'"]\n\nout\n""")

    assert log.parts[0].command == "bash -c echo 'a b'"


def test_an_unfinished_frame_and_an_empty_log_are_no_fault():
    assert read("# COMMAND: ['a']").parts[0].lines == 0
    assert read("").parts == []
    assert read("").read(0, 10) == b""


# -- the middle of a long log ------------------------------------------------------------------


@pytest.fixture
def short_chunks(monkeypatch):
    monkeypatch.setattr(log_text, "CHUNK_BYTES", 1000)


def kept_of(part):
    return [size > 0 for _, size, _ in blocks(part)]


@pytest.mark.usefixtures("short_chunks")
def test_of_a_long_log_both_ends_are_kept_with_their_places_and_numbers():
    rows = [f"row {i} of a long log\n" for i in range(20_000)]
    text = "".join(rows)
    log = read(text, piece=500, head=30_000, tail=50_000)
    (part,) = log.parts

    assert (log.size, log.lines, part.lines) == (len(text), 20_000, 20_000)
    assert 80_000 <= log.kept < 84_000
    (gap,) = (block for block in blocks(part) if block[1] < 0)
    assert -gap[1] == len(text) - log.kept
    line = part.line
    for offset, size, lines in blocks(part):
        here = "".join(rows[line : line + lines])
        assert offset == len("".join(rows[:line]))
        assert abs(size) == len(here)
        assert log.read(offset, len(here)) == (here.encode() if size > 0 else b"")
        line += lines
    assert line == 20_000
    assert log.read(gap[0] - 10, 1000) == text[gap[0] - 10 : gap[0]].encode()
    assert log.search("row 19999 ") == [19_999]
    assert log.search("row 10000 ") == []


@pytest.mark.usefixtures("short_chunks")
def test_the_first_error_is_kept_wherever_it_stands():
    rows = ["all is well here\n"] * 10_000
    rows[5_000] = "ERROR: the mesh is bad\n"
    rows[6_000] = "ERROR: the mesh is worse\n"
    rows[9_999] = "ERROR: giving up\n"
    log = read("".join(rows), piece=700, head=5_000, tail=5_000)
    (part,) = log.parts

    assert log.errors == [5_000, 9_999]
    assert log.search("mesh is bad") == [5_000]
    assert [size < 0 for _, size, _ in blocks(part)].count(True) == 2


@pytest.mark.usefixtures("short_chunks")
def test_errors_at_the_beginning_do_not_hide_those_at_the_end():
    rows = ["ERROR: again\n"] * 5_000
    errors = read("".join(rows), piece=700, head=10_000, tail=10_000).errors

    assert errors[:200] == list(range(200))
    assert len(errors) == 400
    assert errors[200] > 4_000


@pytest.mark.usefixtures("short_chunks")
def test_commands_are_found_in_the_middle_too():
    commands = [framed(f"step {i}", f"text of step {i}\n" * 500) for i in range(6)]
    log = read("".join(commands), piece=900, head=2_000, tail=2_000)
    whole = read("".join(commands))

    told = [(part.command, part.line, part.lines) for part in log.parts]
    assert told == [(part.command, part.line, part.lines) for part in whole.parts]
    assert [any(kept_of(part)) for part in log.parts] == [True, *[False] * 4, True]
    for part, all_of_it in zip(log.parts, whole.parts, strict=True):
        assert sum(abs(size) for _, size, _ in blocks(part)) == len(text_of(whole, all_of_it))


@given(
    st.lists(st.text("ab\r", max_size=40), max_size=200), st.integers(0, 3000), st.integers(0, 3000)
)
def test_whatever_is_left_out_every_block_has_its_place(rows, head, tail):
    text = "\n".join(rows).encode()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(log_text, "CHUNK_BYTES", 100)
        log = read(text, piece=64, head=head, tail=tail)

    assert log.size == len(text)
    at = 0
    for part in log.parts:
        for offset, size, lines in blocks(part):
            assert offset == at
            at += abs(size)
            assert log.read(offset, abs(size)) == (text[offset:at] if size > 0 else b"")
            assert text[offset:at].count(b"\n") in {lines, lines - 1}
    assert at == len(text)


def test_a_line_without_end_is_read_no_further_than_memory_allows(monkeypatch):
    monkeypatch.setattr(log_text, "LONGEST_LINE_BYTES", 2_000_000)
    asked = []

    def pieces():
        for i in range(1000):
            asked.append(i)
            yield b"x" * 100_000

    assert LogText(pieces(), EVERYTHING, 1000, 1000).lines == 1
    assert len(asked) == 21


# -- blocks and ranges -------------------------------------------------------------------------


def test_blocks_cover_every_line_and_are_short():
    text = "".join(f"line {i} {'x' * (i % 80)}\n" for i in range(30_000))
    log = read(text, piece=70_001)
    (part,) = log.parts

    assert log.size == len(text)
    assert sum(lines for _, _, lines in blocks(part)) == part.lines == 30_000
    assert max(size for _, size, _ in blocks(part)) <= log_text.BLOCK_BYTES + 100
    assert max(lines for _, _, lines in blocks(part)) <= log_text.BLOCK_LINES
    assert text_of(log, part) == text
    assert log.packed_bytes < len(text) / 4


@pytest.mark.fault(106)
def test_a_very_long_line_has_a_block_of_its_own():
    text = "short\n" + "x" * 3_000_000 + "\nshort\n"

    assert [lines for _, _, lines in blocks(read(text).parts[0])] == [1, 1, 1]


def test_what_lies_beyond_the_limit_is_not_read():
    asked = []

    def pieces():
        for i in range(1000):
            asked.append(i)
            yield b"0123456789\n" * 1000

    log = LogText(pieces(), 50_000, EVERYTHING, 0)

    assert log.size == 50_000
    assert len(asked) == 5
    assert log.read(49_990, 1000) == log.read(49_990, 10)


@pytest.mark.fault(106)
@given(st.binary(max_size=3000), st.integers(1, 500), st.data())
def test_any_bytes_come_back_as_they_were(content, piece, data):
    log = read(content, piece=piece)
    offset = data.draw(st.integers(0, len(content)))
    length = data.draw(st.integers(0, len(content)))

    assert log.read(offset, length) == content[offset : offset + length]
    assert log.lines == content.count(b"\n") + (not content.endswith(b"\n") and content != b"")


def test_any_range_over_chunks_comes_back(monkeypatch):
    monkeypatch.setattr(log_text, "CHUNK_BYTES", 1000)
    chance = random.Random(7)
    content = "".join(f"{chance.random()}\n" for _ in range(2000)).encode()
    log = read(content, piece=333)

    for _ in range(200):
        offset, length = chance.randrange(len(content)), chance.randrange(5000)
        assert log.read(offset, length) == content[offset : offset + length]


# -- errors ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "--> FOAM FATAL ERROR: ",
        "[3] #1  Foam::sigFpe::sigHandler(int) in ??:?",
        "Traceback (most recent call last):",
        "KeyError: 'x'",
        "ModuleNotFoundError: No module named 'vtk'",
        "Segmentation fault (core dumped)",
        "ERROR: Unknown pair style (src/force.cpp:275)",
        "  ERROR 200: one or more errors in input file.",
        "Fatal error: cannot open file",
        "*** Error in `solver': double free",
        "./solver: error while loading shared libraries: libmpi.so.40",
        "bash: solve: command not found",
        "terminate called after throwing an instance of 'std::bad_alloc'",
        "mpirun noticed that process rank 3 exited on signal 8 (Floating point exception).",
    ],
)
def test_lines_that_tell_of_an_error_are_found(line):
    assert read(f"fine\n\n{line}\nmore\n").errors == [2]


@pytest.mark.parametrize(
    "line",
    [
        "time step continuity errors : sum local = 1e-9, global = 2e-10",
        "trapFpe: Floating point exception trapping enabled (FOAM_SIGFPE).",
        "Relative error 1e-6",
        "error estimate is 0.1",
        "No errors found.",
        "L2 Error norm = 0.1",
        "Errors and warnings are written to log.txt",
    ],
)
def test_lines_that_only_use_the_word_are_not(line):
    assert read(f"fine\n{line}\n").errors == []


def test_errors_have_their_line_numbers_across_chunks_and_are_bounded(monkeypatch):
    monkeypatch.setattr(log_text, "CHUNK_BYTES", 500)
    log = read("".join(f"ERROR: {i}\nok\n" for i in range(1000)), piece=100)

    assert log.errors == [2 * i for i in range(log_text.MOST_ERRORS)]


# -- search ------------------------------------------------------------------------------------


def test_a_search_finds_lines_in_both_cases(monkeypatch):
    monkeypatch.setattr(log_text, "CHUNK_BYTES", 100)
    log = read("".join(f"Time = {i}\nÄnd time =\n\n" for i in range(50)), piece=64)

    assert log.search("time =") == [n for i in range(50) for n in (3 * i, 3 * i + 1)]
    assert log.search("TIME = 49") == [147]
    assert log.search("Änd") == [3 * i + 1 for i in range(50)]
    assert log.search(".*") == []


def test_several_hits_in_a_line_are_one():
    assert read("aaaa\nb\naa\n").search("a") == [0, 2]
