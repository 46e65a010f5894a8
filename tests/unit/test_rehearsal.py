"""Downloads rehearsed, and inputs: what would happen is told, and nothing is written."""

from __future__ import annotations

import contextlib
import io
import zipfile

import pytest
from archive_server import ArchiveServer, Source, zipped

from inductiva_widgets.api.links import LinkTransport
from inductiva_widgets.errors import DestinationError, NotFoundError, UserInputError
from inductiva_widgets.outputs.archive import INPUTS, TAIL_BYTES
from inductiva_widgets.outputs.engine import Outputs

FILES = {"a.txt": b"a" * 5000, "b.bin": bytes(range(256)) * 1500, "vtk/c.vtk": b"c", "empty": b""}


@contextlib.contextmanager
def served(body, **options):
    server, transport = ArchiveServer(body), LinkTransport()
    try:
        yield server, Outputs(transport, Source(server), **options)
    finally:
        transport.close()
        server.close()


@pytest.fixture
def outputs():
    with served(zipped(FILES, folders=("vtk/",))) as (_, made):
        yield made


def tree(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_rehearsal_tells_names_and_bytes_and_writes_nothing(outputs, tmp_path):
    plan = outputs.plan_download(tmp_path / "out", filenames=["a.txt", "vtk/"])

    assert plan.names == ["a.txt", "vtk/c.vtk"]
    assert plan.bytes == 5001
    assert plan.packed_bytes == sum(file.packed_size for file in plan.files) < 100
    assert plan.is_clear
    assert plan.path == tmp_path / "out"
    assert list(tmp_path.iterdir()) == []


def test_a_rehearsal_fetches_the_directory_only(tmp_path):
    files = {"big.bin": bytes(range(256)) * 4000}
    with served(zipped(files, stored=True)) as (server, outputs):
        plan = outputs.plan_download(tmp_path)

        assert plan.packed_bytes == len(files["big.bin"])
        assert server.sent <= TAIL_BYTES


@pytest.mark.parametrize(
    ("overwrite", "action", "reason"),
    [
        ("error", "conflict", "exists with another content"),
        ("skip", "skip", "kept as it is"),
        ("replace", "fetch", "replaces another content"),
        ("rename", "fetch", "as a (1).txt"),
    ],
)
def test_what_lies_there_already_is_told(outputs, tmp_path, overwrite, action, reason):
    outputs.start_download(tmp_path, filenames=["b.bin"]).result(20)
    (tmp_path / "a.txt").write_text("mine")
    before = tree(tmp_path)

    plan = outputs.plan_download(tmp_path, overwrite=overwrite)

    told = {file.name: (file.action, file.reason) for file in plan.files}
    assert told == {
        "a.txt": (action, reason),
        "b.bin": ("skip", "already there"),
        "vtk/c.vtk": ("fetch", ""),
        "empty": ("fetch", ""),
    }
    assert plan.is_clear == (overwrite != "error")
    assert ("a.txt" in plan.names) == (action == "fetch")
    assert tree(tmp_path) == before


def test_a_rehearsal_and_the_download_agree(outputs, tmp_path):
    (tmp_path / "a.txt").write_text("mine")
    plan = outputs.plan_download(tmp_path, overwrite="rename")

    outputs.start_download(tmp_path, overwrite="rename").result(20)

    assert sorted(path.relative_to(tmp_path).as_posix() for path in tree(tmp_path)) == sorted(
        [*(name for name in plan.names if name != "a.txt"), "a.txt", "a (1).txt"]
    )


def test_unknown_names_and_unsafe_members_are_told(tmp_path):
    with served(zipped({**FILES, "../evil": b"x"})) as (_, outputs):
        plan = outputs.plan_download(tmp_path, filenames=["a.tx", "*.bin", "**"])

        assert plan.missing == {"a.tx": ["a.txt"]}
        assert not plan.is_clear
        assert "Not in the archive: a.tx. Close to it: a.txt." in str(plan)
        (refused,) = [file for file in plan.files if file.action == "refuse"]
        assert "leads out of the folder" in refused.reason


def test_a_plan_prints_as_a_table(outputs, tmp_path):
    (tmp_path / "a.txt").write_text("mine")

    lines = str(outputs.plan_download(tmp_path, filenames=["a.txt", "vtk/c.vtk"])).splitlines()

    assert lines[:3] == [
        "Nothing was fetched.",
        "A download would fetch 1 of 2 files, 3 B (1 B unpacked),",
        f"to {tmp_path}:",
    ]
    assert lines[3].split() == ["Size", "Packed", "Action", "Name"]
    assert lines[4].split(maxsplit=4)[4] == "conflict: exists with another content   a.txt"
    assert lines[5].split() == ["1", "B", "3", "B", "fetch", "vtk/c.vtk"]


def test_a_long_plan_is_cut_where_it_is_printed(tmp_path):
    with served(zipped({f"{number}.txt": b"" for number in range(150)})) as (_, outputs):
        plan = outputs.plan_download(tmp_path)

        assert len(plan) == len(plan.names) == 150
        assert str(plan).endswith("\n  … and 50 more")
        assert len(plan.to_dict()["files"]) == 150


def test_the_whole_archive_is_rehearsed_as_one_file(outputs, tmp_path):
    plan = outputs.plan_download(tmp_path, uncompress=False)
    assert [(file.name, file.action) for file in plan.files] == [("output.zip", "fetch")]
    assert plan.bytes == plan.packed_bytes == outputs.info().size

    outputs.start_download(tmp_path, uncompress=False).result(20)

    assert not outputs.plan_download(tmp_path, uncompress=False).is_clear


@pytest.mark.parametrize(
    "options",
    [{"overwrite": "perhaps"}, {"filenames": ["../x"]}, {"filenames": ["a"], "uncompress": False}],
)
def test_what_cannot_work_is_refused(outputs, tmp_path, options):
    with pytest.raises(UserInputError):
        outputs.plan_download(tmp_path, **options)


def test_a_target_that_is_a_file_is_told(outputs, tmp_path):
    (tmp_path / "out").write_text("")

    with pytest.raises(DestinationError):
        outputs.plan_download(tmp_path / "out")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_listed_twice_is_fetched_once_or_refused(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in (("a", "1"), ("a", "1"), ("b", "1"), ("b", "2")):
            archive.writestr(f"artifacts/{name}", content)
    with served(buffer.getvalue()) as (_, outputs):
        plan = outputs.plan_download(tmp_path)

    assert [file.action for file in plan.files] == ["fetch", "skip", "refuse", "refuse"]


# -- inputs --------------------------------------------------------------------------------------


def packed(names):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, b"" if name.endswith("/") else name.encode())
    return buffer.getvalue()


def test_inputs_are_named_relative_to_their_folder(tmp_path):
    body = packed(
        ["sim_dir/", "sim_dir/mesh/", "sim_dir/mesh/a.msh", "sim_dir/run.py", "input.json"]
    )
    with served(body, layout=INPUTS) as (_, inputs):
        inputs.start_download(tmp_path).result(20)

        found = {p.relative_to(tmp_path).as_posix(): body for p, body in tree(tmp_path).items()}
        assert found == {
            "mesh/a.msh": b"sim_dir/mesh/a.msh",
            "run.py": b"sim_dir/run.py",
            "input.json": b"input.json",
        }


@pytest.mark.parametrize("name", ["run.py", "sim_dir/run.py", "*.py"])
def test_inputs_are_chosen_by_the_same_rule(tmp_path, name):
    with served(packed(["sim_dir/run.py", "sim_dir/b.txt"]), layout=INPUTS) as (_, inputs):
        inputs.start_download(tmp_path, filenames=[name]).result(20)

        assert [path.name for path in tree(tmp_path)] == ["run.py"]
        with pytest.raises(NotFoundError, match=r"Close to it: run\.py"):
            inputs.start_download(tmp_path, filenames=["ran.py"]).result(20)
        assert inputs.files()["sim_dir/run.py"].text() == "sim_dir/run.py"


def test_a_file_of_the_user_wins_over_one_beside_the_folder(tmp_path):
    with served(packed(["input.json", "sim_dir/input.json"]), layout=INPUTS) as (_, inputs):
        inputs.start_download(tmp_path).result(20)

        assert (tmp_path / "input.json").read_text() == "sim_dir/input.json"


def test_the_input_archive_is_kept_under_its_own_name(tmp_path):
    body = packed(["sim_dir/run.py"])
    with served(body, layout=INPUTS) as (server, inputs):
        for ranges_work in (True, False):
            server.ranges_work = ranges_work
            folder = tmp_path / str(ranges_work)
            inputs.start_download(folder, uncompress=False).result(20)
            assert {path.name: body for path, body in tree(folder).items()} == {"input.zip": body}


def test_inputs_from_a_storage_without_ranges(tmp_path):
    body = packed(["sim_dir/run.py", "sim_dir/big"]) + b""
    with served(body, layout=INPUTS) as (server, inputs):
        server.ranges_work = False

        inputs.start_download(tmp_path).result(20)

        assert sorted(path.name for path in tree(tmp_path)) == ["big", "run.py"]
