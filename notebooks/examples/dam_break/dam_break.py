"""A two-dimensional dam break by weakly compressible SPH, in NumPy.

A column of water stands at the left wall of a closed tank; at time 0 its gate vanishes.

    python dam_break.py config.json
    python dam_break.py config.json --set spacing=0.08 column_height=1.5

Writes, in the working folder, `vtk/ParticleData_Fluid_N.vtk` (the particles at N output intervals),
`log/SPH_log.txt` and `results.csv`; progress goes to stdout. Units are SI, per metre of tank depth.

Method: Wendland C2 kernel, Tait equation of state, continuity equation with density diffusion
(Molteni & Colagrossi 2009, hydrostatic part left out as in Fourtakas et al. 2019), artificial
viscosity (Monaghan 1992), fixed wall particles that carry the pressure of the water beside them and
let it slip (Adami, Hu & Adams 2012), and a mid-point step of second order.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, TextIO

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.intp]

DENSITY = 1000.0  # water at rest, kg/m3
TAIT_EXPONENT = 7.0
SMOOTHING = 1.3  # smoothing length in particle spacings: about 20 neighbours in the plane
DIFFUSION = 0.1  # of density; the usual value of delta-SPH
WALL_LAYERS = 3  # as many as the kernel reaches
SKIN = 0.3  # in smoothing lengths: how much farther than the kernel the neighbour list looks
MAX_PARTICLES = 200_000
SHORTEST_STEP = 1e-9  # of the whole time; a shorter one would never end


class DivergedError(Exception):
    """The solution left what the equations can describe: the time step was too long."""


@dataclass(frozen=True)
class Config:
    """One run: lengths in m, times in s, gravity in m/s2; `cfl` and `viscosity` have no unit."""

    spacing: float = 0.04
    column_width: float = 1.0
    column_height: float = 2.0
    tank_width: float = 4.0
    tank_height: float = 4.0
    gravity: float = 9.81
    end_time: float = 2.0
    output_interval: float = 0.05
    cfl: float = 0.4
    viscosity: float = 0.05

    @classmethod
    def load(cls, path: Path, changes: list[str]) -> Config:
        """Read the JSON file, then `key=value` changes from the command line.

        Raises:
            ValueError: an unknown key, no positive number, or a column that does not fit.
        """
        values = json.loads(path.read_text(encoding="utf-8"))
        values.update(change.partition("=")[::2] for change in changes)
        known = [field.name for field in fields(cls)]
        for key, value in values.items():
            if key not in known:
                raise ValueError(f"unknown parameter {key!r}; known: {', '.join(known)}")
            try:
                values[key] = float(value)
            except (TypeError, ValueError):
                raise ValueError(f"{key} must be a number, not {value!r}") from None
            if not (values[key] > 0 and np.isfinite(values[key])):
                raise ValueError(f"{key} must be positive and finite, not {value!r}")
        config = cls(**values)
        if config.column_width > config.tank_width or config.column_height > config.tank_height:
            raise ValueError("the column must fit into the tank")
        count = config.column_width * config.column_height / config.spacing**2
        if not config.column_cells[0] or not config.column_cells[1] or count > MAX_PARTICLES:
            raise ValueError(
                f"spacing {config.spacing} gives {count:.0f} particles;"
                f" 1 to {MAX_PARTICLES} are possible"
            )
        return config

    @property
    def column_cells(self) -> tuple[int, int]:
        """Particles along and up the column; lengths are rounded to whole spacings."""
        return round(self.column_width / self.spacing), round(self.column_height / self.spacing)

    @property
    def tank_cells(self) -> tuple[int, int]:
        """Spacings along and up the tank."""
        return round(self.tank_width / self.spacing), round(self.tank_height / self.spacing)

    @property
    def sound_speed(self) -> float:
        """Ten times the shallow-water wave speed: density then stays within a few per cent."""
        return 10.0 * float(np.sqrt(self.gravity * self.column_height))

    @property
    def outputs(self) -> int:
        """How many states are written; at least one."""
        return max(1, round(self.end_time / self.output_interval))


class CellGrid:
    """Points sorted into square cells as wide as the search radius: a search sees 3 × 3 of them."""

    def __init__(self, points: Floats, radius: float, config: Config) -> None:
        """Sort `points` (2 × n); what lies beyond the walls is counted to the nearest cell."""
        self.points = points
        self.radius = radius
        self.origin = -WALL_LAYERS * config.spacing - radius
        extent = (
            max(config.tank_width, config.tank_height) + WALL_LAYERS * config.spacing - self.origin
        )
        self.width = int(extent / radius) + 3
        cells = self._cells(points)
        self.order = np.argsort(cells, kind="stable")
        self.starts = np.searchsorted(cells[self.order], np.arange(self.width**2 + 1))

    def _cells(self, points: Floats) -> Ints:
        column, row = np.clip(
            ((points - self.origin) / self.radius).astype(np.intp), 1, self.width - 2
        )
        return row * self.width + column

    def pairs(self, queries: Floats) -> tuple[Ints, Ints]:
        """Indices (query, point) of all pairs closer than the radius."""
        cells = self._cells(queries)
        found = [self._row(queries, cells + step) for step in (-self.width, 0, self.width)]
        return np.concatenate([i for i, _ in found]), np.concatenate([j for _, j in found])

    def _row(self, queries: Floats, cells: Ints) -> tuple[Ints, Ints]:
        """Pairs with points of three cells in one row, which stand side by side in the order."""
        first, last = self.starts[cells - 1], self.starts[cells + 2]
        counts = last - first
        i = np.repeat(np.arange(len(cells)), counts)
        offsets = np.repeat(first - np.cumsum(counts) + counts, counts)
        j = self.order[np.arange(len(i)) + offsets]
        dx = queries[0, i] - self.points[0, j]
        dy = queries[1, i] - self.points[1, j]
        near = dx * dx + dy * dy < self.radius**2
        return i[near], j[near]


def block(columns: range, rows: range, spacing: float) -> Floats:
    """Centres of square cells, 2 × n."""
    x, y = np.meshgrid(np.array(columns) + 0.5, np.array(rows) + 0.5)
    return spacing * np.stack([x.ravel(), y.ravel()])


def wall_particles(config: Config) -> Floats:
    """Three layers of fixed particles around the tank, lid included."""
    nx, ny = config.tank_cells
    points = block(
        range(-WALL_LAYERS, nx + WALL_LAYERS), range(-WALL_LAYERS, ny + WALL_LAYERS), config.spacing
    )
    x, y = points / config.spacing
    return points[:, (x < 0) | (x > nx) | (y < 0) | (y > ny)]


def gate_pressure(config: Config, points: Floats) -> Floats:
    """Pressure of incompressible water in the instant after the gate vanished, in Pa.

    A column as wide as the tank has no gate: its pressure is hydrostatic. Otherwise the series
    solves Laplace's equation with rest at wall and floor and no pressure at top and gate; it spares
    the run the sound waves that a start from the hydrostatic pressure would send.
    """
    columns, rows = config.column_cells
    width, height = columns * config.spacing, rows * config.spacing
    x, y = points
    head = height - y
    if columns == config.tank_cells[0]:
        return DENSITY * config.gravity * head
    for n in range(1, 60, 2):
        k = n * np.pi / (2 * height)
        decay = (np.exp(k * (x - width)) + np.exp(-k * (x + width))) / (1 + np.exp(-2 * k * width))
        head -= 8 * height / (n * np.pi) ** 2 * decay * np.cos(k * y)
    return DENSITY * config.gravity * np.maximum(head, 0.0)


class DamBreak:
    """The state of the water and the step that advances it."""

    def __init__(self, config: Config) -> None:
        """Set up the column at rest and the walls."""
        self.config = config
        self.h = SMOOTHING * config.spacing
        self.mass = DENSITY * config.spacing**2
        self.stiffness = DENSITY * config.sound_speed**2 / TAIT_EXPONENT
        columns, rows = config.column_cells
        self.position = block(range(columns), range(rows), config.spacing)
        self.velocity = np.zeros_like(self.position)
        self.density = self._density(gate_pressure(config, self.position))
        self.acceleration = np.zeros_like(self.position)
        self.density_rate = np.zeros_like(self.density)
        self.walls = wall_particles(config)
        self.reach = (2 + SKIN) * self.h
        self.wall_grid = CellGrid(self.walls, self.reach, config)
        self.time = 0.0
        self.steps = 0
        self.dt = 0.0
        self._find_neighbours(self.position)

    # Equation of state

    def _density(self, pressure: Floats) -> Floats:
        return DENSITY * (pressure / self.stiffness + 1.0) ** (1 / TAIT_EXPONENT)

    def pressure(self, density: Floats | None = None) -> Floats:
        """Tait's equation, Pa."""
        ratio = (self.density if density is None else density) / DENSITY
        return self.stiffness * (ratio**TAIT_EXPONENT - 1.0)

    # Neighbours and kernel

    def _find_neighbours(self, position: Floats) -> None:
        i, j = CellGrid(position, self.reach, self.config).pairs(position)
        once = i < j
        self.water = i[once], j[once]
        self.beside_wall = self.wall_grid.pairs(position)
        self.listed_at = position.copy()

    def _kernel(self, dx: Floats, dy: Floats) -> tuple[Floats, Floats, Floats]:
        """Kernel W, gradient factor F (gradient = F × separation) and squared distance."""
        r2 = dx * dx + dy * dy
        q = np.sqrt(r2) / self.h
        near = np.maximum(1 - 0.5 * q, 0.0)
        cube = near * near * near
        scale = 7 / (4 * np.pi * self.h**2)
        return scale * cube * near * (2 * q + 1), -5 * scale / self.h**2 * cube, r2

    # Rates of change

    def _rates(self, position: Floats, velocity: Floats, density: Floats) -> tuple[Floats, Floats]:
        """Acceleration (2 × n) and rate of density of a state."""
        moved = position - self.listed_at
        if np.max(moved[0] ** 2 + moved[1] ** 2) > (0.5 * SKIN * self.h) ** 2:
            self._find_neighbours(position)
        pressure = self.pressure(density)
        fx, fy, rho = self._from_water(position, velocity, density, pressure)
        wx, wy, wall_rho = self._from_walls(position, velocity, density, pressure)
        return np.stack([fx + wx, fy + wy - self.config.gravity]), rho + wall_rho

    def _from_water(
        self, position: Floats, velocity: Floats, density: Floats, pressure: Floats
    ) -> tuple[Floats, Floats, Floats]:
        i, j = self.water
        n = len(density)
        dx, dy = position[0, i] - position[0, j], position[1, i] - position[1, j]
        _, gradient, r2 = self._kernel(dx, dy)
        approach = (velocity[0, i] - velocity[0, j]) * dx + (velocity[1, i] - velocity[1, j]) * dy
        sound = self.config.sound_speed

        stress = pressure / (density * density)
        friction = (
            self.config.viscosity * sound * self.h / DENSITY * approach / (r2 + 0.01 * self.h**2)
        )
        force = -self.mass * gradient * (stress[i] + stress[j] - friction)
        fx, fy = force * dx, force * dy

        hydrostatic = DENSITY * self.config.gravity / sound**2 * dy
        excess = density[j] - density[i] - hydrostatic
        spread = -2 * DIFFUSION * self.h * sound * self.mass / DENSITY * gradient * excess
        squeeze = self.mass * gradient * approach
        return (
            np.bincount(i, fx, n) - np.bincount(j, fx, n),
            np.bincount(i, fy, n) - np.bincount(j, fy, n),
            np.bincount(i, squeeze + spread, n) + np.bincount(j, squeeze - spread, n),
        )

    def _from_walls(
        self, position: Floats, velocity: Floats, density: Floats, pressure: Floats
    ) -> tuple[Floats, Floats, Floats]:
        i, w = self.beside_wall
        n = len(density)
        dx, dy = position[0, i] - self.walls[0, w], position[1, i] - self.walls[1, w]
        kernel, gradient, _ = self._kernel(dx, dy)

        carried = kernel * (pressure[i] + density[i] * self.config.gravity * dy)
        weight = np.bincount(w, kernel, self.walls.shape[1])
        wall_pressure = np.bincount(w, carried, len(weight)) / np.maximum(weight, 1e-12)
        wall_pressure = np.maximum(wall_pressure, 0.0)  # a wall does not hold water back
        wall_stress = wall_pressure / self._density(wall_pressure) ** 2

        stress = pressure / (density * density)
        force = -self.mass * gradient * (stress[i] + wall_stress[w])
        squeeze = self.mass * gradient * (velocity[0, i] * dx + velocity[1, i] * dy)
        return (
            np.bincount(i, force * dx, n),
            np.bincount(i, force * dy, n),
            np.bincount(i, squeeze, n),
        )

    # Time

    def max_speed(self) -> float:
        """The fastest particle, m/s; NaN if any velocity is."""
        return float(np.sqrt(np.max(self.velocity[0] ** 2 + self.velocity[1] ** 2)))

    def advance(self, until: float) -> None:
        """Step to the time `until`, exactly.

        Raises:
            DivergedError: a value is not finite, water outruns its sound or the time step vanishes.
        """
        while self.time < until - 1e-12:
            limit = self.config.cfl * self.h / (self.config.sound_speed + self.max_speed())
            left = until - self.time
            if limit < SHORTEST_STEP * self.config.end_time:
                raise DivergedError(f"the time step fell to {limit:.3g} s at step {self.steps}")
            self.dt = left / np.ceil(left / limit)
            self._step(self.dt)
            self.time += self.dt
            self.steps += 1
            self._check()

    def _step(self, dt: float) -> None:
        """Guess the mid-point with the last rates, take the step with the rates there."""
        middle = self._rates(
            self.position + 0.5 * dt * self.velocity,
            self.velocity + 0.5 * dt * self.acceleration,
            self.density + 0.5 * dt * self.density_rate,
        )
        self.acceleration, self.density_rate = middle
        before = self.velocity
        self.velocity = before + dt * self.acceleration
        self.density = self.density + dt * self.density_rate
        self.position = self.position + 0.5 * dt * (before + self.velocity)
        self._stop_at_walls()

    def _stop_at_walls(self) -> None:
        """Let no lone droplet through: too few neighbours give the wall the pressure to turn it."""
        for along, size in enumerate(self.config.tank_cells):
            inside = np.clip(self.position[along], 0.0, size * self.config.spacing)
            self.velocity[along][inside != self.position[along]] = 0.0
            self.position[along] = inside

    def _check(self) -> None:
        where = f"at step {self.steps}, time {self.time:.4f} s"
        state = np.concatenate([self.position, self.velocity, self.density[None]])
        lost = np.count_nonzero(~np.isfinite(state).all(axis=0))
        if lost:
            raise DivergedError(f"values of {lost} particles are no longer finite {where}")
        speed = self.max_speed()
        if speed > self.config.sound_speed:
            raise DivergedError(
                f"a particle moves with {speed:.3g} m/s, faster than sound, {where}"
            )

    # What a reader of the results wants

    def front(self) -> float:
        """How far along the tank the water reaches, m."""
        return float(np.max(self.position[0])) + 0.5 * self.config.spacing

    def kinetic_energy(self) -> float:
        """J per metre of depth."""
        return 0.5 * self.mass * float(np.sum(self.velocity**2))

    def potential_energy(self) -> float:
        """J per metre of depth, above the floor."""
        return self.mass * self.config.gravity * float(np.sum(self.position[1]))

    def run(self) -> Iterator[int]:
        """Advance output by output; yields its number, from 1."""
        count = self.config.outputs
        for number in range(1, count + 1):
            self.advance(self.config.end_time * number / count)
            yield number


def write_vtk(path: Path, water: DamBreak) -> None:
    """Write the particles as legacy VTK, ASCII: for ParaView and for a few lines of NumPy."""
    n = water.position.shape[1]
    x, y = water.position
    u, v = water.velocity
    text = [
        "# vtk DataFile Version 3.0",
        f"dam break, time {water.time:.6g} s",
        "ASCII",
        "DATASET POLYDATA",
        f"POINTS {n} float",
        *(f"{a:.5f} {b:.5f} 0" for a, b in zip(x.tolist(), y.tolist(), strict=True)),
        f"VERTICES 1 {n + 1}",
        " ".join(map(str, [n, *range(n)])),
        f"POINT_DATA {n}",
        "VECTORS velocity float",
        *(f"{a:.5f} {b:.5f} 0" for a, b in zip(u.tolist(), v.tolist(), strict=True)),
        "SCALARS pressure float 1",
        "LOOKUP_TABLE default",
        *(f"{value:.1f}" for value in water.pressure().tolist()),
        "SCALARS density float 1",
        "LOOKUP_TABLE default",
        *(f"{value:.3f}" for value in water.density.tolist()),
    ]
    path.write_text("\n".join(text) + "\n", encoding="ascii")


def write_header(log: TextIO, water: DamBreak) -> None:
    """Say what is computed, and name the columns."""
    config = water.config
    print("Dam break, weakly compressible SPH in two dimensions", file=log)
    for field in fields(config):
        print(f"  {field.name:<16} {getattr(config, field.name):g}", file=log)
    print(f"  {'fluid particles':<16} {water.position.shape[1]}", file=log)
    print(f"  {'wall particles':<16} {water.walls.shape[1]}", file=log)
    print(f"  {'sound speed':<16} {config.sound_speed:.2f} m/s", file=log)
    print(
        f"{'step':>7} {'time_s':>9} {'dt_s':>10} {'max_speed_m_s':>13} {'energy_J_m':>11}", file=log
    )


def write_row(log: TextIO, results: TextIO, water: DamBreak) -> None:
    """Add the present state to the log and to the table of results."""
    kinetic, potential = water.kinetic_energy(), water.potential_energy()
    print(
        f"{water.steps:7d} {water.time:9.4f} {water.dt:10.3e} {water.max_speed():13.4f}"
        f" {kinetic + potential:11.2f}",
        file=log,
        flush=True,
    )
    print(
        f"{water.time:.6g},{water.front():.5f},{kinetic:.4f},{potential:.4f}",
        file=results,
        flush=True,
    )


def simulate(config: Config) -> None:
    """Run and write everything into the working folder."""
    Path("vtk").mkdir(exist_ok=True)
    Path("log").mkdir(exist_ok=True)
    begin = perf_counter()
    water = DamBreak(config)
    print(f"{water.position.shape[1]} fluid and {water.walls.shape[1]} wall particles", flush=True)
    with (
        Path("log/SPH_log.txt").open("w", encoding="ascii") as log,
        Path("results.csv").open("w", encoding="ascii") as results,
    ):
        write_header(log, water)
        print("time_s,front_m,kinetic_energy_J_m,potential_energy_J_m", file=results)
        write_row(log, results, water)
        try:
            for number in water.run():
                write_vtk(Path(f"vtk/ParticleData_Fluid_{number}.vtk"), water)
                write_row(log, results, water)
                percent = 100 * number // config.outputs
                print(
                    f"time {water.time:.3f} s  {percent} %  step {water.steps}"
                    f"  front {water.front():.2f} m",
                    flush=True,
                )
        except DivergedError as error:
            print(f"stopped: {error}", file=log)
            raise
        print(f"finished: {water.steps} steps in {perf_counter() - begin:.1f} s", file=log)


def main() -> int:
    """Read the command line, run, and turn failures into one clear line and exit code 1."""
    parser = argparse.ArgumentParser(description="Two-dimensional dam break by SPH.")
    parser.add_argument("config", type=Path, help="JSON file with the parameters")
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="KEY=VALUE", help="parameters to change"
    )
    arguments = parser.parse_args()
    try:
        config = Config.load(arguments.config, arguments.set)
        with np.errstate(
            over="ignore", invalid="ignore", divide="ignore"
        ):  # found by the check after each step
            simulate(config)
    except DivergedError as error:
        print(
            f"error: the solution diverged: {error}. Make cfl smaller: 0.4 is safe.",
            file=sys.stderr,
        )
        return 1
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
