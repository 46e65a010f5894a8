"""Asks the package indexes for known vulnerabilities of everything that is pinned here.

`make audit` runs it. 0: all pins were looked up and nothing is known; 1: something is known;
2: not all could be looked up, e.g. without a network, so nothing can be said.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
KNOWN, NOT_ASKED = 1, 2


def main() -> int:
    """Looks at the pins of Python and of Node, tells what is known, returns the exit code."""
    found: list[str] = []
    unasked: list[str] = []
    for pins in sorted((ROOT / "requirements").glob("*.txt")):
        python_pins(pins, found, unasked)
    node_pins(found, unasked)
    for line in dict.fromkeys(found):
        print(line)
    if unasked:
        print("The audit is not complete: these could not be looked up. Is there a network?")
        for line in dict.fromkeys(unasked):
            print(f"  {line}")
    elif not found:
        print("Nothing is known against any pinned package.")
    return KNOWN if found else NOT_ASKED if unasked else 0


def python_pins(pins: Path, found: list[str], unasked: list[str]) -> None:
    """Each package of a requirements file; one that the index does not know was not looked up."""
    tool = [Path(sys.executable).with_name("pip-audit"), "--progress-spinner", "off"]
    options = ["--disable-pip", "--no-deps", "--format", "json", "--requirement", pins]
    answer = _json_of([*tool, *options], ROOT)
    if "dependencies" not in answer:
        unasked.append(pins.name)
        return
    for package in answer["dependencies"]:
        if "skip_reason" in package:
            unasked.append(f"{pins.name}: {package['name']}")
        for problem in package.get("vulns", ()):
            fixed = ", ".join(problem["fix_versions"]) or "nothing yet"
            name = f"{package['name']} {package['version']}"
            found.append(f"{pins.name}: {name}: {problem['id']}, mended in {fixed}")


def node_pins(found: list[str], unasked: list[str]) -> None:
    """The packages of `package-lock.json`, all at once."""
    answer = _json_of(["npm", "audit", "--json"], ROOT / "js")
    if "vulnerabilities" not in answer:
        unasked.append("js/package-lock.json")
        return
    for name, problem in answer["vulnerabilities"].items():
        found.append(f"js/package-lock.json: {name} {problem['range']}: {problem['severity']}")


def _json_of(command: list[Any], folder: Path) -> dict[str, Any]:
    """What a tool says; nothing if it says no JSON, which it does not when it fails."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603 - fixed words
    try:
        said = json.loads(done.stdout)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


if __name__ == "__main__":
    sys.exit(main())
