"""Programs of this machine as tasks: submitted by us, and by the official client's own classes."""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
from pathlib import Path

import pytest
from support import backend_at

from inductiva_widgets.errors import TaskFailedError
from inductiva_widgets.task import Task
from inductiva_widgets.tasks import submit

EXAMPLES = Path(__file__).resolve().parents[2] / "notebooks" / "examples"
NEEDS_OPENFOAM = pytest.mark.skipif(
    shutil.which("icoFoam") is None, reason="OpenFOAM is not installed"
)
NEEDS_LAMMPS = pytest.mark.skipif(shutil.which("lmp") is None, reason="LAMMPS is not installed")
OFFICIAL = """
import json, sys
import inductiva
from inductiva import simulators
examples, kind = sys.argv[1:]
group = inductiva.resources.machine_groups.get_by_name("local")
task = {
    "swmm": lambda: simulators.SWMM().run(
        f"{examples}/drainage", ["python run.py network.inp"], on=group),
    "openfoam": lambda: simulators.OpenFOAM(distribution="foundation").run(
        f"{examples}/cavity", shell_script="Allrun", on=group),
    "lammps": lambda: simulators.CustomImage("docker://lammps/lammps").run(
        f"{examples}/melt", ["lmp -in in.melt"], on=group),
    "splishsplash": lambda: simulators.SplishSplash().run(
        f"{examples}/column", "scene.json", on=group),
}[kind]()
print("task", task.id)
"""


@pytest.fixture
def backend(conformance_engine, tmp_path):
    engine = conformance_engine
    with contextlib.closing(backend_at(engine.url, engine.key, tmp_path, is_local=True)) as made:
        yield made


def by_us(kind, backend):
    commands, folder = {
        "swmm": (["python run.py network.inp"], "drainage"),
        "openfoam": (["sh Allrun"], "cavity"),
        "lammps": (["lmp -in in.melt"], "melt"),
        "splishsplash": (["python run.py scene.json"], "column"),
    }[kind]
    return submit(commands, EXAMPLES / folder, simulator=kind, backend=backend)


@pytest.fixture
def by_them(official, backend):
    def run(kind):
        said = official.python("-c", OFFICIAL, EXAMPLES, kind)
        assert said.returncode == 0, said.stderr
        task_id = next(line for line in said.stdout.splitlines() if line.startswith("task "))
        return Task(task_id.removeprefix("task "), backend=backend)

    return run


@pytest.mark.parametrize(
    ("kind", "result"),
    [
        ("swmm", "outfall.csv"),
        pytest.param("openfoam", "0.5/U", marks=NEEDS_OPENFOAM),
        pytest.param("lammps", "log.lammps", marks=NEEDS_LAMMPS),
    ],
)
@pytest.mark.parametrize("front", ["ours", "theirs"])
def test_a_simulator_of_this_machine_runs(kind, result, front, backend, by_them):
    task = by_us(kind, backend) if front == "ours" else by_them(kind)

    assert task.wait(timeout=60) == "success"
    assert task.get_output()[result].size > 0


def test_a_package_that_is_missing_is_named(backend):
    if importlib.util.find_spec("pysplishsplash") is not None:
        assert by_us("splishsplash", backend).wait(timeout=100) == "success"
        return
    with pytest.raises(TaskFailedError, match="module pysplishsplash is missing"):
        by_us("splishsplash", backend).wait(timeout=60, raise_on_failure=True)


def test_a_program_of_an_image_that_is_missing_is_named(by_them):
    """The class copies the program from a place inside its image."""
    with pytest.raises(TaskFailedError, match=r"not find .*/SPlisHSPlasH_CPU/bin/SPHSimulator"):
        by_them("splishsplash").wait(timeout=60, raise_on_failure=True)


def test_a_solver_that_is_missing_is_named(backend):
    task = submit(["no-such-solver case"], EXAMPLES / "cavity", backend=backend)

    with pytest.raises(TaskFailedError, match=r"no-such-solver .*not"):
        task.wait(timeout=60, raise_on_failure=True)


def test_every_class_finds_its_image(official):
    """Their names are looked up before anything is sent."""
    code = """
import inspect
from inductiva import simulators
for name, found in vars(simulators).items():
    if inspect.isclass(found) and found not in (simulators.Simulator, simulators.CustomImage):
        print(found().image_uri)
"""
    said = official.python("-c", code)

    assert said.returncode == 0, said.stderr
    assert len([line for line in said.stdout.splitlines() if "kutu" in line]) > 30
