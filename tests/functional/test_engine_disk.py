"""What tasks print and write: held within limits, and a full disk ends tasks, not the engine."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess

import pytest
from raw_engine import launch
from waiting import wait_until

from inductiva_widgets import local
from inductiva_widgets.errors import LocalEngineError

DISK_BYTES = 48 * 2**20
FILL = """
import os, sys
with open("fill.bin", "wb") as file:
    while True:
        file.write(os.urandom(1 << 20))
        file.flush()
"""


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 48 MB of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", place],
        check=False,
        capture_output=True,
    )
    if made.returncode:
        pytest.skip("mounting a small disk needs the right to do so")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


@contextlib.contextmanager
def engine_on(disk, *options):
    with contextlib.closing(
        launch(disk / "data", "--port", "0", "--kill-grace", "0.5", *options)
    ) as engine:
        yield engine


def fill(path):
    """Takes the last byte of a disk."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(1 << 16)):
            pass


@pytest.mark.fault(117)
def test_a_task_that_fills_the_disk_is_ended_with_that_reason(small_disk):
    with engine_on(small_disk, "--disk-reserve", str(8 * 2**20)) as engine:
        task = engine.run("python fill.py", files={"fill.py": FILL})

        assert task["status"] == "executer-failed"
        assert "The disk is full." in task["error_detail"]
        assert engine.get("/tasks")["total_size"] == 1
        assert [entry["status"] for entry in task["status_history"]].count("executer-failed") == 1


@pytest.mark.fault(117)
def test_states_are_written_when_another_program_has_filled_the_disk(small_disk):
    with engine_on(small_disk, "--disk-reserve", str(2**20)) as engine:
        code = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.01)"
        running = engine.submit("python wait.py", files={"wait.py": code})
        engine.reach(running, "computation-started")
        assert (engine.data_dir / "reserve").stat().st_size == 16 * 2**20

        fill(small_disk / "hog")
        task = engine.finish(running)

        assert task["status"] == "executer-failed"
        assert "The disk is full." in task["error_detail"]
        assert not (engine.data_dir / "reserve").exists()
        assert engine.get("/tasks")["total_size"] == 1
        fill(small_disk / "hog2")
        refused = engine.call("POST", "/tasks/submit", json=engine.body("true"))
        assert refused.status_code == 507
        assert refused.json() == {"detail": "The disk of the local engine is full."}

        (small_disk / "hog").unlink()
        (small_disk / "hog2").unlink()
        assert engine.run("true")["status"] == "success"
        wait_until((engine.data_dir / "reserve").exists)


@pytest.mark.fault(117)
def test_an_engine_that_finds_no_room_says_so(small_disk):
    fill(small_disk / "hog")

    with pytest.raises(LocalEngineError, match="no room on the disk"):
        local.serve(data_dir=small_disk / "data", port=0)


@pytest.mark.fault(117)
def test_an_engine_gives_its_reserve_to_start_on_a_full_disk(small_disk):
    engine = launch(small_disk / "data", "--port", "0")
    task_id = engine.create("true")
    engine.process.kill()
    engine.process.communicate(timeout=10)
    fill(small_disk / "hog")

    with engine_on(small_disk) as again:
        assert again.status(task_id)["status"] == "pending-input"


@pytest.mark.fault(117)
def test_an_upload_that_finds_no_room_is_told_so(small_disk):
    with engine_on(small_disk) as engine:
        link = engine.link("upload", "big.bin")
        fill(small_disk / "hog")
        path = link.removeprefix(engine.url)

        refused = engine.call("PUT", path, data=os.urandom(2**20))

        assert refused.status_code == 507
        assert refused.json() == {"detail": "The disk of the local engine is full."}
        assert engine.get("/storage/contents")["total_files"] == 0


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="no limits of other processes here")
@pytest.mark.fault(57, 117)
def test_outputs_that_may_not_be_written_are_kept_where_they_are(start_engine):
    engine = start_engine("--kill-grace", "0.5")
    code = (
        "import os, time\nopen('a', 'wb').write(os.urandom(700_000))\n"
        "open('b', 'wb').write(os.urandom(700_000))\nopen('ready', 'w').close()\n"
        "while not os.path.exists('go'): time.sleep(0.01)"
    )
    task_id = engine.submit("python run.py", files={"run.py": code})
    folder = engine.work_folder(task_id)
    wait_until((folder / "ready").exists)

    resource.prlimit(engine.pid, resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
    (folder / "go").touch()
    task = engine.finish(task_id)

    kept = engine.data_dir / "rescued" / task_id
    assert task["status"] == "executer-failed"
    assert task["error_detail"] == (
        f"The outputs could not be packed: The disk is full. They are kept in {kept}."
    )
    assert (kept / "run" / "sim_dir" / "b").stat().st_size == 700_000
    assert engine.status(task_id)["is_terminated"]


@pytest.mark.fault(120)
@pytest.mark.parametrize(
    "code",
    [
        "import os\nfor _ in range(200): os.write(1, b'x' * 100_000)",
        "import os\nfor _ in range(50): os.write(1, os.urandom(100_000))",
        "import os\nos.close(1)\nos.close(2)\nopen('late.txt', 'w').write('still here')",
        "import os, subprocess\nsubprocess.Popen(['sleep', '60'], start_new_session=True)",
    ],
    ids=["no newline", "binary", "closed", "held by a grandchild"],
)
def test_whatever_is_done_with_the_output_the_end_is_noticed(engine, code):
    task = engine.run("python run.py", files={"run.py": code})

    assert task["status"] == "success"
    with engine.archive(task["task_id"]) as archive:
        assert archive.read("artifacts/stdout.txt").endswith(b"\n -------\n")
        assert ("artifacts/late.txt" in archive.namelist()) == ("late.txt" in code)
