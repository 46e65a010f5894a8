"""Sizes of the front end's bundles and the times of their builds, as two Markdown tables.

Everything is built anew in a copy of the tree, so that what is installed stays as it is:
`python benchmarks/bench_bundle.py`. It needs Node and what `make test` has set up.
"""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STEPS = [
    ("notebook views (esbuild)", "build:view"),
    ("types and modules (tsc)", "build:lib"),
    ("JupyterLab extension", "build:labextension"),
]
NOT_COPIED = shutil.ignore_patterns("node_modules", "lib", "build", "static", "labextension")
LEVEL = 9  # of gzip, as servers that compress in advance use it


def main() -> None:
    """Builds and prints."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        shutil.copytree(ROOT / "js", copy / "js", ignore=NOT_COPIED)
        (copy / "js" / "node_modules").symlink_to(ROOT / "js" / "node_modules")
        seconds = [build(copy / "js", script) for _, script in STEPS]
        show_sizes(copy / "inductiva_widgets")
    show_times(seconds)


def build(folder: Path, script: str) -> float:
    """Seconds that a script of `package.json` takes."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    start = time.perf_counter()
    subprocess.run(
        ["npm", "run", "--silent", script],
        cwd=folder,
        env={**os.environ, "PATH": path},
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return time.perf_counter() - start


def show_sizes(package: Path) -> None:
    """Bytes of each bundle as they are, and as they travel."""
    static = {path.name: path for path in sorted((package / "static").iterdir())}
    rows = [(name, [path]) for name, path in static.items()]
    for kind in ("monitor", "table"):
        first = [static["loader.js"], static[f"{kind}.js.gz"]]
        rows.append((f"{kind}: first paint, with its style", first))
        rows.append((f"{kind}: in all", [*first, static[f"{kind}-parts.js.gz"]]))
    extension = [path for path in (package / "labextension").rglob("*") if path.is_file()]
    scripts = [path for path in extension if path.suffix == ".js"]
    rows.append(("labextension: scripts", scripts))
    rows.append(("labextension: all files", extension))
    print(f"\n### Bundles\n\n| part | files | KB | KB, gzip {LEVEL} |\n|---|---|---|---|")
    for name, paths in rows:
        contents = [content_of(path) for path in paths]
        plain = sum(map(len, contents)) / 1000
        packed = sum(len(gzip.compress(content, LEVEL)) for content in contents) / 1000
        print(f"| {name} | {len(paths)} | {plain:.1f} | {packed:.1f} |")


def content_of(path: Path) -> bytes:
    """What a file holds; unpacked where it is stored as it travels."""
    content = path.read_bytes()
    return gzip.decompress(content) if path.suffix == ".gz" else content


def show_times(seconds: list[float]) -> None:
    """Seconds of each step, and of all."""
    print("\n### Builds from nothing\n\n| step | s |\n|---|---|")
    for (name, _), taken in zip(STEPS, seconds, strict=True):
        print(f"| {name} | {taken:.1f} |")
    print(f"| all: `npm run build` | {sum(seconds):.1f} |")


if __name__ == "__main__":
    main()
