"""The demo simulations: do they write what the notebooks read, and is it physics?"""

import csv
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[2] / "notebooks" / "examples"

# Martin & Moyce 1952, Phil. Trans. R. Soc. A 244, 312-324, figure 3: column twice as high as wide,
# 2.25 inches wide. Columns: time × sqrt(2 g / width), front / width.
MARTIN_MOYCE = np.array([[0.832, 1.217], [1.219, 1.474], [1.997, 2.292], [2.547, 2.995]])


def run(example, folder, *command):
    shutil.copytree(EXAMPLES / example, folder)
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def dam_break(folder, *changes):
    return run("dam_break", folder, "dam_break.py", "config.json", "--set", *changes)


def results(folder):
    table = np.genfromtxt(folder / "results.csv", delimiter=",", names=True)
    return table, table["kinetic_energy_J_m"] + table["potential_energy_J_m"]


def particles(path):
    lines = path.read_text().splitlines()
    count = int(lines[4].split()[1])
    at = {line.split()[1]: k for k, line in enumerate(lines) if line[:3] in ("VEC", "SCA")}
    return {
        "position": np.loadtxt(lines[5 : 5 + count]),
        "velocity": np.loadtxt(lines[at["velocity"] + 1 :][:count]),
        "pressure": np.loadtxt(lines[at["pressure"] + 2 :][:count]),
        "density": np.loadtxt(lines[at["density"] + 2 :][:count]),
    }


@pytest.fixture(scope="module")
def broken_dam(tmp_path_factory):
    folder = tmp_path_factory.mktemp("examples") / "dam_break"
    return dam_break(folder, "spacing=0.08"), folder


def test_dam_break_lays_out_its_files_as_the_users_document_shows(broken_dam):
    process, folder = broken_dam

    assert process.returncode == 0, process.stderr
    assert process.stderr == ""
    names = {path.name for path in (folder / "vtk").iterdir()}
    assert names == {f"ParticleData_Fluid_{n}.vtk" for n in range(1, 41)}
    log = (folder / "log" / "SPH_log.txt").read_text().splitlines()
    header = next(k for k, line in enumerate(log) if line.split()[0] == "step")
    assert log[header].split() == ["step", "time_s", "dt_s", "max_speed_m_s", "energy_J_m"]
    assert len(log[header + 1 : -1]) == 41
    assert log[-1].startswith("finished: ")
    assert len(results(folder)[0]) == 41


def test_dam_break_tells_its_progress_at_each_output(broken_dam):
    lines = broken_dam[0].stdout.splitlines()[1:]

    pattern = r"time \d\.\d{3} s  \d+ %  step \d+  front \d\.\d\d m"
    assert all(re.fullmatch(pattern, line) for line in lines)
    assert [int(line.split("s  ")[1].split()[0]) for line in lines] == [
        100 * n // 40 for n in range(1, 41)
    ]


def test_dam_break_keeps_every_particle_in_the_tank(broken_dam):
    for path in (broken_dam[1] / "vtk").iterdir():
        state = particles(path)

        assert state["position"].shape == (12 * 25, 3)
        assert state["position"][:, :2].min() >= 0
        assert state["position"][:, :2].max() <= 4.0
        assert all(np.isfinite(values).all() for values in state.values())


def test_dam_break_keeps_the_density_of_the_bulk_within_a_few_per_cent(broken_dam):
    for path in (broken_dam[1] / "vtk").iterdir():
        density = particles(path)["density"]

        assert abs(density.mean() / 1000 - 1) < 0.01
        assert np.percentile(abs(density / 1000 - 1), 95) < 0.04


def test_dam_break_never_gains_energy(broken_dam):
    _, energy = results(broken_dam[1])

    # 1e-3: what sound, which is not counted, may give back between two outputs
    assert np.diff(energy).max() < 1e-3 * energy[0]
    assert 0.5 < energy[-1] / energy[0] < 1


def test_dam_break_front_follows_the_experiment_and_stays_below_the_shallow_water_front(broken_dam):
    table, _ = results(broken_dam[1])
    time, front = table["time_s"], table["front_m"]
    width, height, gravity = 0.96, 2.0, 9.81

    ritter = width + 2 * np.sqrt(gravity * height) * time
    simulated = np.interp(MARTIN_MOYCE[:, 0], time * np.sqrt(2 * gravity / width), front / width)

    assert (front <= ritter + 1e-9).all()
    # No bottom friction, and a gate that takes no time: a little ahead of the experiment.
    lead = simulated / MARTIN_MOYCE[:, 1] - 1
    assert lead.min() > 0
    assert lead.max() < 0.2
    speed = np.polyfit(MARTIN_MOYCE[1:, 0], simulated[1:], 1)[0]
    assert speed == pytest.approx(np.polyfit(*MARTIN_MOYCE[1:].T, 1)[0], rel=0.15)


def test_dam_break_splashes_up_the_far_wall(broken_dam):
    heights = [
        particles(broken_dam[1] / "vtk" / f"ParticleData_Fluid_{n}.vtk")["position"]
        for n in (10, 24)
    ]

    near_wall = [position[position[:, 0] > 3.5, 1] for position in heights]
    assert near_wall[0].size == 0
    assert near_wall[1].max() > 2.0


def test_water_without_a_gate_stays_at_rest_under_its_hydrostatic_pressure(tmp_path):
    folder = tmp_path / "still"

    process = dam_break(folder, "spacing=0.1", "column_width=4", "column_height=1", "end_time=1")

    assert process.returncode == 0, process.stderr
    state = particles(folder / "vtk" / "ParticleData_Fluid_20.vtk")
    assert abs(state["velocity"]).max() < 0.03 * np.sqrt(9.81)  # wave speed
    depth = 1.0 - state["position"][:, 1]
    assert abs(state["pressure"] - 9810 * depth).max() < 0.1 * 9810


def test_diverging_dam_break_ends_with_its_cause_and_keeps_what_it_wrote(tmp_path):
    folder = tmp_path / "diverging"

    process = dam_break(folder, "spacing=0.1", "cfl=0.8")

    assert process.returncode == 1
    assert re.fullmatch(
        r"error: the solution diverged: .* at step \d+, time .* s\. "
        r"Make cfl smaller: 0\.4 is safe\.\n",
        process.stderr,
    )
    written = list((folder / "vtk").iterdir())
    assert 0 < len(written) < 40
    assert (folder / "log" / "SPH_log.txt").read_text().splitlines()[-1].startswith("stopped: ")


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ("viscosity=1e308", "no longer finite"),
        ("gravity=1e300", "the time step fell to"),
        ("spacing=0", "spacing must be positive"),
        ("spacing=1e-9", "particles; 1 to 200000 are possible"),
        ("depth=1", "unknown parameter 'depth'"),
        ("column_width=5", "the column must fit into the tank"),
    ],
)
def test_impossible_dam_break_says_why(tmp_path, change, cause):
    process = dam_break(tmp_path / "impossible", change)

    assert process.returncode == 1
    assert cause in process.stderr
    assert "Traceback" not in process.stderr


@pytest.fixture(scope="module")
def drained(tmp_path_factory):
    pytest.importorskip("swmm.toolkit", reason="the drainage model needs swmm-toolkit")
    folder = tmp_path_factory.mktemp("examples") / "drainage"
    return run("drainage", folder, "run.py", "network.inp"), folder


def test_drainage_closes_its_water_balance(drained):
    process, folder = drained

    assert process.returncode == 0, process.stderr
    found = re.search(r"runoff (\S+) %, flow routing (\S+) %", process.stdout)
    assert all(abs(float(error)) < 1 for error in found.groups())
    assert "No nodes were flooded" in (folder / "network.rpt").read_text()


def test_drainage_shows_its_progress_to_the_end(drained):
    lines = [line for line in drained[0].stdout.splitlines() if line.startswith("time ")]

    percents = [int(re.search(r"(\d+) %", line)[1]) for line in lines]
    assert percents == sorted(set(percents))
    assert percents[-1] == 100
    assert len(percents) == 12


def test_drainage_writes_the_flow_at_the_outfall(drained):
    _, folder = drained

    with (folder / "outfall.csv").open(newline="") as file:
        head, *rows = csv.reader(file)
    table = np.array(rows, dtype=float)

    assert head == ["time_min", "outfall_flow_L_s", "depth_J4_m"]
    assert table[:, 0].tolist() == list(range(1, 361))
    report = (folder / "network.rpt").read_text()
    volume_ml = float(re.search(r"External Outflow \.+ +\S+ +(\S+)", report)[1])
    assert table[:, 1].sum() * 60 / 1e6 == pytest.approx(volume_ml, rel=0.01)
    assert 50 < table[table[:, 1].argmax(), 0] < 80  # the rain is heaviest from 50 to 60 min
    assert (folder / "network.out").stat().st_size > 0


def test_drainage_refuses_a_model_it_cannot_read(tmp_path):
    pytest.importorskip("swmm.toolkit", reason="the drainage model needs swmm-toolkit")
    folder = tmp_path / "drainage"
    (tmp_path / "bad.inp").write_text("[OPTIONS]\nNONSENSE 1\n")

    process = run("drainage", folder, "run.py", "../bad.inp")

    assert process.returncode == 1
    assert process.stderr.startswith("error: ERROR 200")
    assert "ERROR 205" in (folder / "bad.rpt").read_text()
