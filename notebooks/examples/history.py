"""A task history to look at: many small, real runs of different parameters, some of which fail.

    import examples.history
    examples.history.make(60)

Two programs are run: `dam_break` (water columns of different heights, resolutions and tanks) and
`drainage` (storms of different strength). One run in eight fails, each for a real reason: a time
step that is too long, a tank that is too small, a model that is missing, a program that is missing,
a time limit, a kill.
"""

from __future__ import annotations

import random
import re
import shutil
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import inductiva_widgets as iw

EXAMPLES = Path(__file__).resolve().parent
STORMS = [0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0]  # times the design storm
HEIGHTS = [0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 2.2]  # m of water
SPACINGS = [0.2, 0.16, 0.125]  # m between particles
LONGEST_S = 30.0  # of any run; only one that nobody killed in time needs it
POLL_S = 0.5


@dataclass(frozen=True)
class Recipe:
    """One task to be submitted."""

    commands: list[str]
    folder: Path
    simulator: str
    project: str
    metadata: dict[str, str]
    time_to_live_s: float = LONGEST_S
    is_killed: bool = False


@dataclass
class Kitchen:
    """Recipes by number: the same number is always the same run."""

    folder: Path
    storms: dict[float, Path] = field(default_factory=dict)

    def recipe(self, number: int) -> Recipe:
        """The run of a number."""
        chance = random.Random(number)  # noqa: S311 - a variety, not a secret
        kind = chance.choices(["drainage", "dam", "tall", "bad"], [4, 3, 2, 1.3])[0]
        if kind == "drainage":
            return self._storm(chance)
        if kind == "bad":
            return self._bad(chance)
        return self._dam(chance, tall=kind == "tall")

    def _storm(self, chance: random.Random, model: str = "network.inp") -> Recipe:
        storm = chance.choice(STORMS)
        return Recipe(
            [f"python run.py {model}"],
            self._storm_folder(storm),
            "swmm",
            chance.choice(["town-drains", "town-drains", "river-study"]),
            {"storm": f"{storm:g}"},
        )

    def _dam(self, chance: random.Random, *, tall: bool, **more: float) -> Recipe:
        height, spacing = chance.choice(HEIGHTS), chance.choice(SPACINGS)
        settings: dict[str, float] = {
            "column_height": height,
            "spacing": spacing,
            "tank_width": 3 if tall else 4,
            "end_time": 0.6,
            "output_interval": 0.05,
            **more,
        }
        words = " ".join(f"{name}={value:g}" for name, value in settings.items())
        return Recipe(
            [f"python dam_break.py config.json --set {words}"],
            EXAMPLES / "dam_break",
            "sph-tall-tank" if tall else "sph-dam-break",
            chance.choice(["coast", "coast", "calibration"]),
            {"height": f"{height:g}", "spacing": f"{spacing:g}"},
        )

    def _bad(self, chance: random.Random) -> Recipe:
        """A run that ends otherwise than in success."""
        cause = chance.choice(["step", "tank", "model", "program", "limit", "kill"])
        if cause == "model":
            return self._storm(chance, model="missing.inp")
        changes: dict[str, dict[str, float]] = {
            "step": {"cfl": 2.0},
            "tank": {"column_height": 9.0},
            "limit": {"end_time": 600},
            "kill": {"end_time": 600},
        }
        recipe = self._dam(chance, tall=False, **changes.get(cause, {}))
        more: dict[str, Any] = {"limit": {"time_to_live_s": 1.0}, "kill": {"is_killed": True}}
        if cause == "program":
            more["program"] = {"commands": ["particleworks-solver config.json"]}
        return Recipe(**{**vars(recipe), **more.get(cause, {})})

    def _storm_folder(self, storm: float) -> Path:
        """Inputs whose rain is so many times the design storm's."""
        if storm not in self.storms:
            folder = self.folder / f"storm-{storm:g}"
            shutil.copytree(EXAMPLES / "drainage", folder)
            model = folder / "network.inp"
            rain = re.compile(r"^(DESIGN_STORM\s+\d+:\d+\s+)([\d.]+)$", re.MULTILINE)
            text = rain.sub(lambda m: f"{m[1]}{float(m[2]) * storm:.2f}", model.read_text())
            # Coarser steps: a run takes a tenth of a second, and the water balance still closes.
            model.write_text(re.sub(r"(ROUTING_STEP\s+)1\b", r"\g<1>5", text))
            self.storms[storm] = folder
        return self.storms[storm]


def make(count: int, *, first: int = 0, backend: iw.Backend | None = None) -> list[str]:
    """Submits runs and waits for the end of all.

    Args:
        count: How many.
        first: Number of the first recipe.
        backend: Where to run; the default backend when not given.

    Returns:
        Their ids, in the order of submission.
    """
    doomed: set[str] = set()
    ids: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        kitchen = Kitchen(Path(folder))
        for number in range(first, first + count):
            recipe = kitchen.recipe(number)
            task = iw.tasks.submit(
                recipe.commands,
                recipe.folder,
                simulator=recipe.simulator,
                project=recipe.project,
                metadata=recipe.metadata,
                time_to_live_s=recipe.time_to_live_s,
                backend=backend,
            )
            ids.append(task.id)
            if recipe.is_killed:
                doomed.add(task.id)
            if number % 10 == 0:
                _kill_running(doomed, backend)
    while _kill_running(doomed, backend) or _unfinished(ids, backend):
        time.sleep(POLL_S)
    return ids


def _kill_running(doomed: set[str], backend: iw.Backend | None) -> bool:
    """Kills those that compute; whether there are any left to kill."""
    if doomed:
        running = iw.tasks.get(None, status="computation-started", backend=backend)
        for task in running:
            if task.id in doomed:
                doomed.discard(task.id)
                task.kill(wait_timeout=None)
    return bool(doomed) and bool(_unfinished([*doomed], backend))


def _unfinished(ids: list[str], backend: iw.Backend | None) -> int:
    frame = iw.tasks.list(last_n=None, backend=backend)
    return int((~frame["is_final"][frame.index.isin(ids)]).sum())
