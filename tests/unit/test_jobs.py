"""What is decided about many files by columns is what is decided one by one."""

from __future__ import annotations

import io
import time
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inductiva_widgets.errors import DestinationError
from inductiva_widgets.outputs import decisions
from inductiva_widgets.outputs.decisions import Decisions, Order
from inductiva_widgets.outputs.folder import OutputFolder
from inductiva_widgets.outputs.jobs import Jobs
from inductiva_widgets.outputs.listing import make_listing
from inductiva_widgets.outputs.progress import Board
from inductiva_widgets.outputs.remote import Version

CONTENT = b"12345"
NAMES = ("a.txt", "A.txt", "sub/a.txt", "sub", "sub/deep/b c.txt", "x/./y", "é.txt", "-d", "n/e.s")


def listed(names):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(f"artifacts/{name}", CONTENT)
    body = buffer.getvalue()
    return make_listing(body, Version(len(body), None), lambda _: b"")


def decided(listing, path, overwrite):
    """What would be made of all files: jobs as place, row and parts; failures; states."""
    board = Board(None, time.monotonic)
    folder = OutputFolder(path)
    made = Decisions(folder, listing, Order(path, overwrite=overwrite), board)
    stopped = ""
    try:
        made.decide(range(len(listing)))
    except DestinationError as error:
        stopped = error.message
    finally:
        folder.close()
    jobs = made.jobs
    return (
        [(jobs.places[job], jobs.rows[job], jobs.parts(job)) for job in range(len(jobs))],
        list(zip(jobs.starts, jobs.ends, strict=True)),
        {name: error.message for name, error in made.failed.items()},
        [(file.name, file.state, file.reason) for file in board.files()],
        stopped,
    )


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from(NAMES), max_size=6, unique=True),
    st.dictionaries(st.sampled_from(NAMES), st.sampled_from([CONTENT, b"other"]), max_size=3),
    st.sampled_from(["error", "skip", "replace", "rename"]),
)
def test_by_columns_and_one_by_one_are_the_same(tmp_path_factory, names, present, overwrite):
    path = tmp_path_factory.mktemp("out")
    for name, content in present.items():
        if not (path / name).is_dir() and not any(p.is_file() for p in (path / name).parents):
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(content)
    listing = listed(names)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decisions, "MANY_ROWS", 0)
        by_columns = decided(listing, path, overwrite)
    one_by_one = decided(listing, path, overwrite)

    assert by_columns == one_by_one


def test_jobs_lie_in_the_order_of_the_archive_and_neighbours_are_one_span(tmp_path):
    listing = listed(["a", "b", "c", "d"])
    folder = OutputFolder(tmp_path)
    jobs = Jobs(folder, listing, replace=False)
    jobs.add([7, 8, 9], [3, 0, 1])
    jobs.rename(0, ("a (1)",))

    jobs.close()

    assert [(jobs.places[job], jobs.name(job)) for job in range(3)] == [
        (8, "a"),
        (9, "b"),
        (7, "d"),
    ]
    assert jobs.parts(0) == ("a (1)",)
    first, last = jobs.spans()
    assert (first.start, first.end) == (jobs.starts[0], jobs.ends[1])
    assert (last.start, last.end) == (jobs.starts[2], jobs.ends[2])
    jobs.settle(0, "verified")
    assert [span.start for span in jobs.spans()] == [jobs.starts[1], jobs.starts[2]]
    assert jobs.waiting_bytes() == 2 * len(CONTENT)
    folder.close()
