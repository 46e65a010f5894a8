"""The notebooks run from top to bottom, as they are, on a real engine."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import nbclient
import nbformat
import pytest

from inductiva_widgets import local

ROOT = Path(__file__).resolve().parents[2]
FAST = {"01_quickstart.ipynb": "SPACING = 0.1"}


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebooks")
    shutil.copytree(ROOT / "notebooks", folder / "work")
    patch = pytest.MonkeyPatch()
    patch.setenv("INDUCTIVA_WIDGETS_LOCAL", "1")
    patch.setenv("INDUCTIVA_WIDGETS_DATA_DIR", str(folder / "engine"))
    patch.setenv("IPYTHONDIR", str(folder / "ipython"))
    local.start(folder / "engine", slots=2)
    yield folder / "work"
    assert local.stop(folder / "engine")
    patch.undo()


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
    assert {"application/vnd.jupyter.widget-view+json", "image/png", "text/html"} <= kinds
