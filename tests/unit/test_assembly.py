"""Bytes in any order and any pieces give every member its content."""

from __future__ import annotations

import io
import itertools
import random
import threading
import zipfile

from hypothesis import given, settings
from hypothesis import strategies as st

from inductiva_widgets.outputs.archive import read_directory
from inductiva_widgets.outputs.assembly import Assembly, Job
from inductiva_widgets.outputs.extract import MemberFile
from inductiva_widgets.outputs.folder import OutputFolder
from inductiva_widgets.outputs.progress import Board
from inductiva_widgets.outputs.ranges import ByteRange

FILES = {f"{n}.bin": random.Random(n).randbytes(37 * n * n) for n in range(1, 9)}


def packed() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in FILES.items():
            archive.writestr(name, content)
    return buffer.getvalue()


ARCHIVE = packed()
DIRECTORY = read_directory(ARCHIVE, len(ARCHIVE))


def delivered(path, cuts, order, threads):
    folder = OutputFolder(path)
    released = []
    try:
        ends = [*DIRECTORY.offsets[1:], DIRECTORY.start]
        jobs = [
            Job(
                row,
                name,
                ByteRange(DIRECTORY.offsets[row], ends[row]),
                MemberFile(folder, DIRECTORY.member(row), (name,), replace=True),
                DIRECTORY.offsets[row],
            )
            for row, name in enumerate(DIRECTORY.names)
        ]
        board = Board(None, lambda: 0.0)
        board.set_files([(job.index, job.name, 0) for job in jobs])
        settled = []
        assembly = Assembly(jobs, board, settled=settled.append, released=released.append)
        points = sorted({0, DIRECTORY.start, *cuts})
        pieces = [(a, ARCHIVE[a:b]) for a, b in itertools.pairwise(points)]
        order.shuffle(pieces)

        def work(mine):
            for piece in mine:
                assembly.take(*piece)

        workers = [
            threading.Thread(target=work, args=(pieces[i::threads],)) for i in range(threads)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert sorted(job.index for job in settled) == list(range(len(jobs)))
        assert {job.state for job in jobs} == {"verified"}
    finally:
        folder.close()
    assert sum(released) == DIRECTORY.start
    return {entry.name: entry.read_bytes() for entry in path.iterdir()}


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(1, DIRECTORY.start - 1), max_size=40),
    st.randoms(use_true_random=False),
    st.integers(1, 3),
)
def test_any_pieces_in_any_order_on_any_threads(tmp_path_factory, cuts, order, threads):
    assert delivered(tmp_path_factory.mktemp("out"), cuts, order, threads) == FILES
