"""Outputs: this package beside other ways to get them, under imitated latency and rate.

    python benchmarks/bench_outputs.py            a small version, minutes
    python benchmarks/bench_outputs.py --full     every case
    python benchmarks/bench_outputs.py --case B3 --case B7    these cases

Each run is a fresh process; ways take turns, so that a noisy moment hits all. Contents are compared
with the archive once for every way and case, outside the clock.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
import zipfile
import zlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from archives import archive, contents
from harness import Case, measure

HERE = Path(__file__).parent
SHOWN_WARNINGS: set[str] = set()


@dataclass(frozen=True)
class Part:
    """One case: an archive, what is picked of it, latency in ms, rate in MB/s, who takes part."""

    key: str
    name: str
    picks: int | str | None
    latency_ms: float
    rate_mb: float
    ways: tuple[str, ...]
    is_small: bool = False
    repeats: int = 5
    on_disk: bool = False


PARTS = (
    Part("B1", "t100k", "list", 0, 0, ("ours", "official", "remotezip"), is_small=True),
    Part("B1", "t100k", "list", 80, 20, ("ours", "official", "remotezip", "fsspec")),
    Part("B2", "p1k", 1, 80, 20, ("ours", "official", "remotezip", "curl"), is_small=True),
    Part("B3", "p1k", 200, 0, 0, ("ours", "official", "remotezip", "curl"), is_small=True),
    Part("B3", "p1k", 200, 80, 20, ("ours", "official", "curl", "floor"), is_small=True),
    Part("B4", "f1k", 200, 80, 20, ("ours", "official", "curl", "floor")),
    Part("B5", "g1k", 200, 80, 20, ("ours", "official", "curl", "floor")),
    Part("B7", "m40", None, 80, 20, ("ours", "official", "curl", "floor"), is_small=True),
    Part("B8", "m200", None, 0, 0, ("ours", "official", "curl", "floor")),
    Part("B8", "b2g", None, 0, 0, ("ours", "official", "curl")),
    Part("B9", "t100k", None, 0, 0, ("ours", "official", "curl")),
    Part("B9", "t100k", None, 0, 0, ("ours", "official", "curl"), repeats=1, on_disk=True),
    Part("B10", "m40", None, 80, 20, ("whole", "killed at half, again")),
)


class Bench:
    """Archives, servers and targets of one run."""

    def __init__(self, cache: Path, targets: Path, disk: Path) -> None:
        self._cache = cache
        self._targets = targets
        self._disk = disk
        self._checked: set[tuple[str, ...]] = set()

    def run(self, part: Part, repeats: int | None) -> None:
        """Measures one case."""
        path = archive(self._cache, part.name)
        with zipfile.ZipFile(path) as source:
            names = [name.removeprefix("artifacts/") for name in source.namelist()[1:]]
        picks: object = part.picks
        if isinstance(part.picks, int):
            picks = sorted(random.Random(part.key).sample(names, part.picks))
        useful = _useful(path, picks)
        if picks == "list":
            contents(path)
        server = subprocess.Popen(
            [
                sys.executable,
                HERE / "range_server.py",
                str(self._cache),
                str(part.latency_ms),
                str(part.rate_mb),
            ],
            stdout=subprocess.PIPE,
        )
        try:
            base = f"http://127.0.0.1:{int(server.stdout.readline())}"
            one = self._resumed if part.key == "B10" else self._one
            run = partial(one, part, base, path, picks, useful)
            cases = [Case(way, partial(run, way)) for way in part.ways if _is_there(way)]
            rate = f"{part.rate_mb:g} MB/s" if part.rate_mb else "no limit"
            title = f"{part.key}: {part.name}, {_said(part.picks)}, {part.latency_ms:g} ms, {rate}"
            title += ", to a disk" if part.on_disk else ""
            measure(title, cases, repeats or part.repeats)
        finally:
            server.kill()
            server.wait()

    def _one(  # noqa: PLR0913, PLR0917 - a case has these
        self, part: Part, base: str, path: Path, picks: object, useful: float, way: str
    ) -> dict[str, float]:
        target = Path(tempfile.mkdtemp(dir=self._disk if part.on_disk else self._targets))
        _counts(base)
        facts = _finished(_started(base, path, picks, target, way), way)
        counts = _counts(base)
        key = (part.key, part.name, str(part.latency_ms), way)
        if way != "floor" and picks != "list" and key not in self._checked:
            _check(path, target, picks, way)
            self._checked.add(key)
        shutil.rmtree(target)
        rtt = facts["seconds"] * 1000 / part.latency_ms if part.latency_ms else 0.0
        return {
            **facts,
            "requests": counts["requests"],
            "wire MB": counts["wire"] / 1e6,
            "wire / useful": counts["wire"] / useful if useful else 0.0,
            "RTTs": rtt,
        }

    def _resumed(
        self, _: Part, base: str, path: Path, picks: object, useful: float, way: str
    ) -> dict[str, float]:
        """Our download of everything, or the same once more after it was killed at half."""
        target = Path(tempfile.mkdtemp(dir=self._targets))
        _counts(base)
        wire = 0.0
        if way != "whole":
            child = _started(base, path, picks, target, "ours")
            while wire < useful / 2 and child.poll() is None:
                time.sleep(0.01)
                wire += _counts(base)["wire"]
            child.kill()
            child.communicate()
            time.sleep(0.5)  # what was on its way
        facts = _finished(_started(base, path, picks, target, "ours"), "ours")
        wire += _counts(base)["wire"]
        _check(path, target, picks, "ours")
        shutil.rmtree(target)
        return {"seconds": facts["seconds"], "wire / archive": wire / path.stat().st_size}


def _started(base: str, path: Path, picks: object, target: Path, way: str) -> subprocess.Popen[str]:
    url = f"{base}/{path.name}?X-Signature=bench"
    command = [_python(way), HERE / "ways.py", way, url, str(target), json.dumps(picks), path]
    environment = {**os.environ, "NO_PROXY": "127.0.0.1"}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def _finished(child: subprocess.Popen[str], way: str) -> dict[str, float]:
    said, errors = child.communicate()
    if child.returncode:
        raise SystemExit(f"{way} failed:\n{errors[-2000:]}")
    facts: dict[str, float] = json.loads(said.splitlines()[-1])
    return facts


def _counts(base: str) -> dict[str, int]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{base}/_counts") as reply:
        counts: dict[str, int] = json.load(reply)
        return counts


def _useful(path: Path, picks: object) -> float:
    if picks is None:
        return float(path.stat().st_size)
    if picks == "list":
        return 0.0
    with zipfile.ZipFile(path) as source:
        return float(sum(source.getinfo(f"artifacts/{name}").compress_size for name in picks))


def _check(path: Path, target: Path, picks: object, way: str) -> None:
    with zipfile.ZipFile(path) as source:
        names = source.namelist()[1:] if picks is None else [f"artifacts/{name}" for name in picks]
        for name in names:
            info, crc, size = source.getinfo(name), 0, 0
            with (target / name.removeprefix("artifacts/")).open("rb") as file:
                while piece := file.read(1 << 20):
                    crc, size = zlib.crc32(piece, crc), size + len(piece)
            if (size, crc) != (info.file_size, info.CRC):
                raise SystemExit(f"{way}: wrong bytes in {name}")
    left = list(target.rglob(".*"))
    if way == "ours" and left:
        raise SystemExit(f"left behind: {left[:3]}")


def _python(way: str) -> str:
    if way == "official":
        return str(HERE.parent / ".venv-official/bin/python")
    return sys.executable


def _is_there(way: str) -> bool:
    problem = ""
    if way == "official" and not Path(_python(way)).exists():
        problem = "the official client is not installed in .venv-official"
    elif way in {"remotezip", "fsspec"}:
        check = [sys.executable, "-c", f"import {way}" + ", aiohttp" * (way == "fsspec")]
        if subprocess.run(check, capture_output=True, check=False).returncode:
            problem = f"{way} is not installed"
    elif way == "curl" and not (shutil.which("curl") and shutil.which("unzip")):
        problem = "curl or unzip is not installed"
    if problem and problem not in SHOWN_WARNINGS:
        SHOWN_WARNINGS.add(problem)
        print(f"\nLeft out: {problem}.")
    return not problem


def _said(picks: int | str | None) -> str:
    if picks is None:
        return "everything"
    return "the listing" if picks == "list" else f"{picks} scattered files"


def main(arguments: list[str] | None = None) -> None:
    """Runs the cases asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", help="B1 … B10")
    parser.add_argument("--case", action="append", default=[], help="the same, one at a time")
    parser.add_argument("--full", action="store_true", help="every case")
    parser.add_argument("--repeats", type=int, help="instead of each case's own")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "outputs-bench")
    parser.add_argument(
        "--targets", type=Path, help="folder to write to; a tmpfs where there is one"
    )
    parser.add_argument("--disk", type=Path, help="folder on a real disk, for the case that is")
    options = parser.parse_args(arguments)
    memory = Path("/dev/shm")
    targets = options.targets or (memory if os.access(memory, os.W_OK) else None)
    cases = {*options.cases, *options.case}
    with (
        tempfile.TemporaryDirectory(dir=targets) as folder,
        tempfile.TemporaryDirectory(dir=options.disk) as disk,
    ):
        bench = Bench(options.cache, Path(folder), Path(disk))
        for part in PARTS:
            wanted = part.key in cases if cases else part.is_small or options.full
            if wanted:
                bench.run(part, options.repeats)


if __name__ == "__main__":
    main()
