"""Outputs read where they are: the table of the official pages, and files by ranges."""

from __future__ import annotations

import io
import random
import threading

import pandas as pd
import pytest
from archive_server import ArchiveServer, Source, zipped
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inductiva_widgets.api.links import LinkTransport
from inductiva_widgets.errors import CorruptMemberError, NotFoundError, UserInputError
from inductiva_widgets.outputs.archive import TAIL_BYTES
from inductiva_widgets.outputs.engine import Outputs
from inductiva_widgets.outputs.files import FileInfo, OutputInfo

TEXT = b"".join(b"%d,%d\n" % (number, number**2) for number in range(200_000))
NOISE = random.Random(3).randbytes(2_000_000)


@pytest.fixture(params=[True, False], ids=["stored", "deflated"])
def served(request):
    before = threading.active_count()
    server = ArchiveServer(zipped({"a.csv": TEXT, "noise.bin": NOISE}, stored=request.param))
    transport = LinkTransport()
    yield server, Outputs(transport, Source(server)).files()
    transport.close()
    server.close()
    assert threading.active_count() == before


def test_info_prints_as_the_document_shows():
    info = OutputInfo(
        262_000,
        [
            FileInfo("stdout.txt", 3120, 859),
            FileInfo("stderr.txt", 242, 160),
            FileInfo("vtk/ParticleData_Fluid_40.vtk", 5760, 4100),
        ],
    )

    assert str(info) == (
        "Archive size: 262.00 KB\n"
        "Contents:\n"
        "  Size         Compressed   Name\n"
        "  3.12 KB      859 B        stdout.txt\n"
        "  242 B        160 B        stderr.txt\n"
        "  5.76 KB      4.10 KB      vtk/ParticleData_Fluid_40.vtk"
    )
    assert (info.size, info.total_size_bytes) == (262_000, 262_000)
    assert info.contents == info.files
    assert info.n_files == info.num_files == 3
    assert info.total_compressed_size_bytes == 5119


def test_a_folder_or_pattern_is_told_to_be_no_file(served):
    with pytest.raises(NotFoundError, match=r"\*\.csv is no file's name: it chooses 1\.") as caught:
        served[1]["*.csv"]

    assert "download_outputs() takes folders and patterns" in str(caught.value)


def test_files_are_a_mapping_by_name(served):
    _, files = served

    assert list(files) == ["a.csv", "noise.bin"]
    assert files["artifacts/a.csv"].name == files["./a.csv"].name == "a.csv"
    assert "a.csv" in files
    assert "b.csv" not in files
    assert files.get("b.csv") is None
    with pytest.raises(NotFoundError, match=r"Close to it: a\.csv") as caught:
        files["b.csv"]
    assert caught.value.missing == ("b.csv",)
    with pytest.raises(UserInputError):
        files["../a.csv"]


def test_whole_content(served):
    _, files = served

    assert files["a.csv"].bytes() == TEXT
    assert files["a.csv"].text() == TEXT.decode()


def test_head_reads_little_and_tail_is_the_end(served):
    server, files = served

    assert files["noise.bin"].head(1000) == NOISE[:1000]
    assert server.sent < TAIL_BYTES + 20_000
    assert files["a.csv"].head(10) == TEXT[:10]
    assert files["a.csv"].tail(500) == TEXT[-500:]
    assert files["noise.bin"].tail(3) == NOISE[-3:]
    assert files["a.csv"].tail(0) == b""
    assert files["a.csv"].head(10**9) == files["a.csv"].tail(10**9) == TEXT


def test_the_end_of_a_stored_file_costs_only_itself():
    server = ArchiveServer(zipped({"noise.bin": NOISE}, stored=True))
    transport = LinkTransport()
    files = Outputs(transport, Source(server)).files()

    assert files["noise.bin"].tail(1000) == NOISE[-1000:]
    assert server.sent < TAIL_BYTES + 5000

    transport.close()
    server.close()


def test_open_reads_lines(served):
    _, files = served

    with io.TextIOWrapper(files["a.csv"].open()) as lines:
        assert lines.readline() == "0,0\n"
        assert sum(1 for _ in lines) == 199_999


def test_pandas_reads_a_remote_table_without_its_archive(served):
    server, files = served
    packed = files["a.csv"]._member.packed_size

    table = pd.read_csv(files["a.csv"].open(), names=["n", "square"])

    assert len(table) == 200_000
    assert (table["square"] == table["n"] ** 2).all()
    assert packed <= server.sent < packed + TAIL_BYTES + 20_000 < len(server.body) - 500_000


def test_pandas_reads_the_first_rows_for_the_price_of_them(served):
    server, files = served

    table = pd.read_csv(files["a.csv"].open(), names=["n", "square"], nrows=5)

    assert list(table["square"]) == [0, 1, 4, 9, 16]
    assert server.sent < TAIL_BYTES + 800_000  # a quarter of a megabyte, and as much again


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(st.integers(0, len(NOISE) + 10), st.integers(0, 300_000)), min_size=1, max_size=5
    )
)
def test_seek_and_read_do_what_a_file_does(served, steps):
    _, files = served
    oracle = io.BytesIO(NOISE)

    with files["noise.bin"].open() as file:
        for position, size in steps:
            assert file.seek(position) == oracle.seek(position)
            assert file.read(size) == oracle.read(size)
            assert file.tell() == oracle.tell()
        assert file.seek(-10, io.SEEK_END) == len(NOISE) - 10
        assert file.read() == NOISE[-10:]


def test_damaged_content_is_noticed_when_read_to_the_end():
    body = bytearray(zipped({"noise.bin": NOISE}, stored=True))
    body[1_000_000] ^= 1
    server = ArchiveServer(bytes(body))
    transport = LinkTransport()
    files = Outputs(transport, Source(server)).files()

    with pytest.raises(CorruptMemberError):
        files["noise.bin"].bytes()
    with pytest.raises(CorruptMemberError), files["noise.bin"].open() as file:
        file.read()

    transport.close()
    server.close()
