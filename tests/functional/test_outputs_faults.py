"""Random faults: whatever the storage does, no wrong file has a final name and no success is false.

`python tests/functional/test_outputs_faults.py 10000` runs seeds 0 to 9,999 with larger archives
among them, `… 5000 20000` those from 20,000 on.
"""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))

from archive_server import SIGNATURE, ArchiveServer, Source, zipped
from fault_server import KINDS, Schedule

from inductiva_widgets.api.links import LinkTransport
from inductiva_widgets.api.sessions import Timeouts
from inductiva_widgets.errors import InductivaWidgetsError, LinkExpiredError
from inductiva_widgets.outputs.archive import TAIL_BYTES
from inductiva_widgets.outputs.engine import Outputs
from inductiva_widgets.outputs.remote import RetryPolicy
from inductiva_widgets.outputs.transfer import Tuning

DOWNLOADS = 300
KIB, MIB = 1 << 10, 1 << 20
LARGE_EVERY, LARGE_BYTES = 1000, 50 * MIB
READ_S = 0.15


@dataclass
class Tally:
    """What came of many downloads.

    Attributes:
        completed: Success told, and true.
        told: Names missing from a newer archive, or a fresh link refused: nothing to recover.
        failed: Recoverable, and given up all the same.
        wrong: Wrong or partial files under a final name.
        outside: Names made beside the target folder.
        false: Success told that was none.
        wasteful: More bytes sent than 1.10 × size + 1 MiB for each fault.
    """

    completed: int = 0
    told: int = 0
    failed: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    false: list[str] = field(default_factory=list)
    wasteful: list[str] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    bytes_sent: int = 0
    bytes_of_archives: int = 0

    @property
    def share(self) -> float:
        """Of the recoverable ones, those that completed."""
        return self.completed / max(1, self.completed + len(self.failed))

    @property
    def is_true(self) -> bool:
        """Whether nothing happened that must never happen."""
        return not (self.wrong or self.outside or self.false)

    def __str__(self) -> str:
        faults = ", ".join(f"{kind} {count}" for kind, count in sorted(self.faults.items()))
        return (
            f"{self.completed + self.told + len(self.failed)} downloads, "
            f"{self.bytes_of_archives / 1e6:.0f} MB, {self.faults.total()} faults ({faults}): "
            f"{len(self.wrong)} wrong or partial files, {len(self.outside)} writes outside, "
            f"{len(self.false)} false successes, {self.completed} of "
            f"{self.completed + len(self.failed)} recoverable completed ({self.share:.4%}), "
            f"{self.told} not recoverable and told so, {len(self.wasteful)} above 1.10 × size "
            f"+ 1 MiB a fault, sent / size {self.bytes_sent / max(1, self.bytes_of_archives):.3f}"
        )


def make_files(generator: random.Random, total_bytes: int) -> dict[str, bytes]:
    weights = [10 ** generator.uniform(0, 4) for _ in range(generator.randrange(1, 60))]
    unit = total_bytes / sum(weights)
    files = {}
    for number, weight in enumerate(weights):
        half = generator.randbytes(int(weight * unit / 2))
        files[f"{generator.choice(('', 'vtk/', 'a/b/'))}f{number}.dat"] = half + half
    return files


class Trial:
    """One server for many downloads, each with its own archive, order and faults."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = ArchiveServer(b"")
        self.transport = LinkTransport(timeouts=Timeouts(connect_s=2, read_s=READ_S))
        self.tally = Tally()

    def close(self) -> None:
        self.transport.close()
        self.server.close()

    def run(self, seed: int, least_bytes: int, most_bytes: int) -> None:
        generator = random.Random(seed)
        total = int(least_bytes * (most_bytes / least_bytes) ** generator.random())
        files, newer = (make_files(generator, total) for _ in range(2))
        newer = {**newer, **{name: data[::-1] for name, data in list(files.items())[:3]}}
        body, newer_body = zipped(files), zipped(newer)
        server = self.server
        server.body, server.etag, server.sent = body, generator.choice(('"v1"', None)), 0
        server.tokens = {SIGNATURE}
        schedule = Schedule(server, seed, most=generator.randrange(6), newer=newer_body)
        server.faults = [schedule]
        target = self.folder / str(seed)
        packed = generator.random() < 0.15
        names = None
        if not packed and generator.random() < 0.5:
            names = generator.sample(list(files), generator.randrange(1, 1 + min(3, len(files))))
        outputs = Outputs(
            self.transport,
            Source(server),
            retry=RetryPolicy(
                tries=5, first_pause_s=0.001, longest_pause_s=0.005, slow_s=2 * READ_S
            ),
            tuning=Tuning(connections=4, chunk_bytes=generator.choice((100_000, MIB))),
        )
        error: InductivaWidgetsError | None = None
        try:
            outputs.start_download(target, filenames=names, uncompress=not packed).result(60)
        except InductivaWidgetsError as raised:
            error = raised
        self.tally.faults.update(schedule.faults)
        is_new = server.body is newer_body
        versions = [(files, body), (newer, newer_body)] if is_new else [(files, body)]
        expected = [
            {"output.zip": packed_bytes}
            if packed
            else {name: content.get(name) for name in names or content}
            for content, packed_bytes in versions
        ]
        self._judge(seed, expected, error, schedule.faults)
        size = sum(len(packed_bytes) for _, packed_bytes in versions)
        self.tally.bytes_of_archives += size
        self.tally.bytes_sent += server.sent
        # The end of each version is read once. Where ranges are ignored, all is fetched, and what
        # was sent until then is lost.
        wire = 1.1 * (size + len(server.body) * schedule.faults.count("whole"))
        wire += TAIL_BYTES * len(versions) + MIB * len(schedule.faults)
        if server.sent > wire:
            self.tally.wasteful.append(
                f"{seed}: {server.sent} bytes for {size}, {schedule.faults}, {packed=}, {error!r}"
            )
        shutil.rmtree(target, ignore_errors=True)

    def _judge(self, seed: int, expected: list[dict], error, faults: list[str]) -> None:
        target = self.folder / str(seed)
        beside = [path.name for path in self.folder.iterdir() if path != target]
        self.tally.outside += [f"{seed}: {name}" for name in beside]
        found = {
            path.relative_to(target).as_posix(): path.read_bytes()
            for path in target.rglob("*")
            if path.is_file() and not path.parent.name.startswith(".inductiva-")
        }
        if not any(found.items() <= version.items() for version in expected):
            self.tally.wrong.append(f"{seed}: {sorted(found)} after {error!r}, {faults}")
        if error is None:
            self.tally.completed += 1
            if found not in expected:
                self.tally.false.append(f"{seed}: {sorted(found)}, {faults}")
        elif None in expected[-1].values() or (
            # Two in a row are no fault to recover from: a fresh link was refused as well.
            isinstance(error, LinkExpiredError) and faults.count("expire") > 1
        ):
            self.tally.told += 1
        else:
            self.tally.failed.append(f"{seed}: {error!r}, {faults}")


def run(
    count: int, folder: Path, bytes_of_one: tuple[int, int] = (KIB, 900_000), first: int = 0
) -> Tally:
    trial = Trial(folder)
    is_soak = bytes_of_one[1] > MIB
    try:
        for seed in range(first, first + count):
            large = is_soak and seed % LARGE_EVERY == 0
            trial.run(seed, *((LARGE_BYTES, LARGE_BYTES) if large else bytes_of_one))
            if is_soak and seed % 500 == 499:
                sys.stderr.write(f"{seed + 1}: {trial.tally}\n")
    finally:
        trial.close()
    return trial.tally


@pytest.mark.fault(1, 2, 3, 4, 18, 23)
def test_three_hundred_downloads_under_random_faults(tmp_path):
    tally = run(DOWNLOADS, tmp_path)

    assert tally.is_true, tally
    assert tally.failed == []
    assert tally.wasteful == []
    assert tally.completed >= 0.9 * DOWNLOADS
    assert set(tally.faults) == set(KINDS)


if __name__ == "__main__":
    downloads, start = int(sys.argv[1]), int(sys.argv[2]) if sys.argv[2:] else 0
    with tempfile.TemporaryDirectory() as base:
        result = run(downloads, Path(base), (64 * KIB, 4 * MIB), start)
    sys.stdout.write(f"seeds {start} to {start + downloads - 1}, {result}\n")
    for kind in ("wrong", "outside", "false", "wasteful", "failed"):
        for line in getattr(result, kind):
            sys.stdout.write(f"{kind} {line}\n")
    sys.exit(not result.is_true or bool(result.wasteful) or result.share < 0.999)
