"""Run a SPlisHSPlasH scene without a window.

    python run.py scene.json

Needs the package `pysplishsplash`. Writes `vtk/` and `log/` into the working folder, and how far it
has come to stdout.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import ctypes.util
import sys
from pathlib import Path


def load_system_opengl() -> None:
    """Load the system's OpenGL first: the package brings parts of its own that crash beside it."""
    name = ctypes.util.find_library("GL")
    if name is not None:
        with contextlib.suppress(OSError):
            ctypes.CDLL(name, ctypes.RTLD_GLOBAL)


def run(scene: Path) -> None:
    """Simulate a scene to the time at which it stops."""
    import pysplishsplash as sph

    simulator = sph.Exec.SimulatorBase()
    simulator.init(useGui=False, sceneFile=str(scene.resolve()), outputDir=str(Path.cwd()))
    simulator.initSimulation()
    simulator.runSimulation()
    simulator.cleanup()


def main() -> int:
    """Read the command line and run; exit code 1 if there is no scene."""
    parser = argparse.ArgumentParser(description="A SPlisHSPlasH scene without a window.")
    parser.add_argument("scene", type=Path, help="scene file (.json)")
    scene = parser.parse_args().scene
    if not scene.is_file():
        print(f"error: there is no scene {scene}", file=sys.stderr)
        return 1
    load_system_opengl()
    run(scene)
    return 0


if __name__ == "__main__":
    sys.exit(main())
