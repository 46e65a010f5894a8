"""The notebooks run from top to bottom, as they are, on a real engine."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbclient
import nbformat
import pytest

from inductiva_widgets import local

ROOT = Path(__file__).resolve().parents[2]
FAST = {
    "01_quickstart.ipynb": "SPACING = 0.1",
    "02_outputs.ipynb": "RUNS, SPACING = 3, 0.15",
    "03_task_history.ipynb": "TASKS = 24",
    "04_live.ipynb": "SPACING = 0.05",
}


@contextlib.contextmanager
def engine_in(folder, patch):
    """An engine that `iw.connect()` finds, in this process and in those that it starts."""
    patch.setenv("INDUCTIVA_WIDGETS_LOCAL", "1")
    patch.setenv("INDUCTIVA_WIDGETS_DATA_DIR", str(folder))
    local.start(folder, slots=2)
    try:
        yield
    finally:
        assert local.stop(folder)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebooks")
    shutil.copytree(ROOT / "notebooks", folder / "work")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPYTHONDIR", str(folder / "ipython"))
        with engine_in(folder / "engine", patch):
            yield folder / "work"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", sorted(p.name for p in (ROOT / "notebooks").glob("*.ipynb")))
def test_notebook_runs(workplace, name):
    notebook = nbformat.read(workplace / name, as_version=4)
    for cell in notebook.cells:
        assert not cell.get("outputs"), "notebooks are committed without outputs"
        if "parameters" in cell.metadata.get("tags", []):
            cell.source = FAST[name]

    client = nbclient.NotebookClient(
        notebook, timeout=120, resources={"metadata": {"path": str(workplace)}}
    )
    asyncio.run(client.async_execute())  # a loop of its own, closed afterwards

    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    kinds = {kind for output in outputs for kind in output.get("data", {})}
    assert {"application/vnd.inductiva.task+json", "image/png", "text/html"} <= kinds


def test_the_readmes_lines_run(workplace):
    """As they stand, but for a coarser simulation."""
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    command = "python dam_break.py config.json"
    assert block.count(command) == 1
    code = (
        block.replace(command, f"{command} --set spacing=0.1") + "print(sorted(folder.rglob('*')))"
    )

    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=workplace,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "ParticleData_Fluid_40.vtk" in done.stdout
    assert "results.csv" in done.stdout
    assert "ParticleData_Fluid_4.vtk" not in done.stdout.rpartition("[")[2]


@pytest.fixture
def own_engine(tmp_path, monkeypatch):
    """An engine that has no tasks of others."""
    with engine_in(tmp_path / "engine", monkeypatch):
        yield


@pytest.mark.usefixtures("own_engine")
def test_the_lines_about_outputs_run(tmp_path):
    """One after the other, on the outputs of a quick run."""
    page = (ROOT / "docs" / "outputs.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    command = "python dam_break.py config.json --set spacing=0.15 end_time=0.5 output_interval=0.02"
    first = f"""
import inductiva_widgets as iw
task = iw.tasks.submit(["{command}"], {str(ROOT / "notebooks" / "examples" / "dam_break")!r})
assert task.wait() == "success"
"""
    last = """
from pathlib import Path
names = {path.relative_to("some").as_posix() for path in Path("some").rglob("*.*")}
assert {"results.csv", "log/SPH_log.txt", "stdout.txt", "vtk/ParticleData_Fluid_10.vtk"} <= names
assert "vtk/ParticleData_Fluid_9.vtk" not in names
assert report.is_complete
assert task.check("later").is_complete
assert fronts.attrs["errors"] == {}
assert len(front) > 20
"""

    done = subprocess.run(
        [sys.executable, "-c", "".join([first, *blocks, last])],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "Close to it: results.csv. The other files were delivered." in done.stdout
