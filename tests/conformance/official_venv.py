"""The official client in an environment of its own, made from the package index when needed.

`python tests/conformance/official_venv.py` makes it beforehand, as `make conformance` does.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = ROOT / "requirements" / "official.txt"
FOLDER = ROOT / ".venv-official"
STAMP = FOLDER / ".installed"
BIN = FOLDER / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
PROGRAM = BIN / ("inductiva.exe" if os.name == "nt" else "inductiva")


def ensure(environment: dict[str, str] | None = None) -> None:
    """Makes the environment, unless it already holds what the requirements ask for."""
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    if not STAMP.is_file() or STAMP.read_text() != wanted:
        venv.create(FOLDER, clear=True, with_pip=True)
        command = [PYTHON, "-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
        subprocess.run(
            [*command, "-r", REQUIREMENTS], check=True, env=environment, stdin=subprocess.DEVNULL
        )
    STAMP.write_text(wanted)  # also when nothing changed: `make` compares times


if __name__ == "__main__":
    ensure()
    sys.exit(0)
