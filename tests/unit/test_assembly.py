"""Bytes in any order and any pieces give every member its content."""

from __future__ import annotations

import io
import itertools
import random
import threading
import zipfile

from hypothesis import given, settings
from hypothesis import strategies as st

from inductiva_widgets.outputs.assembly import Assembly
from inductiva_widgets.outputs.folder import OutputFolder
from inductiva_widgets.outputs.jobs import Jobs
from inductiva_widgets.outputs.listing import make_listing
from inductiva_widgets.outputs.progress import Board
from inductiva_widgets.outputs.remote import Version

FILES = {f"{n}.bin": random.Random(n).randbytes(37 * n * n) for n in range(1, 9)}


def packed() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in FILES.items():
            archive.writestr(f"artifacts/{name}", content)
    return buffer.getvalue()


ARCHIVE = packed()
LISTING = make_listing(ARCHIVE, Version(len(ARCHIVE), None), lambda _: b"")
END = LISTING.directory.start


def delivered(path, cuts, order, threads):
    folder = OutputFolder(path)
    released = []
    try:
        jobs = Jobs(folder, LISTING, replace=True)
        jobs.add(range(len(LISTING)), range(len(LISTING)))
        jobs.close()
        board = Board(None, lambda: 0.0)
        board.set_files(range(len(LISTING)), LISTING.names, LISTING.sizes)
        settled = []
        assembly = Assembly(
            jobs, board, settled=lambda *told: settled.append(told), released=released.append
        )
        points = sorted({0, END, *cuts})
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
        assert sum(count for _, _, count in settled) == len(jobs)
        assert {first for first, _, _ in settled} <= set(jobs.starts)
        assert {last for _, last, _ in settled} <= set(jobs.ends)
        assert jobs.count("verified") == len(jobs)
        assert {file.state for file in board.files()} == {"verified"}
    finally:
        folder.close()
    assert sum(released) == END
    return {entry.name: entry.read_bytes() for entry in path.iterdir()}


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(1, END - 1), max_size=40),
    st.randoms(use_true_random=False),
    st.integers(1, 3),
)
def test_any_pieces_in_any_order_on_any_threads(tmp_path_factory, cuts, order, threads):
    assert delivered(tmp_path_factory.mktemp("out"), cuts, order, threads) == FILES
