"""Random faults: whatever the storage does, no wrong file has a final name and no success is false.

`python tests/functional/test_outputs_faults.py 10000` runs as many as it is told, with larger
archives among them.
"""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))

from archive_server import SIGNATURE, ArchiveServer, Source, zipped
from fault_server import Schedule

from inductiva_widgets.api.links import LinkTransport
from inductiva_widgets.api.sessions import Timeouts
from inductiva_widgets.errors import DownloadError, InductivaWidgetsError, LinkExpiredError
from inductiva_widgets.outputs.engine import Outputs
from inductiva_widgets.outputs.remote import RetryPolicy
from inductiva_widgets.outputs.transfer import Tuning

DOWNLOADS = 300
MIB = 1 << 20
FIXED_BYTES = 3 * 140_000  # reading the end of the archive, again after it was replaced


@dataclass
class Tally:
    """What came of many downloads."""

    completed: int = 0
    failed: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def make_files(generator: random.Random, most_bytes: int) -> dict[str, bytes]:
    files = {}
    left = generator.randrange(1000, most_bytes)
    while left > 0 and len(files) < 60:
        size = min(left, int(10 ** generator.uniform(0, 6)))
        half = generator.randbytes(size // 2)
        files[f"{generator.choice(('', 'vtk/', 'a/b/'))}f{len(files)}.dat"] = half + half
        left -= size
    return files


class Trial:
    """One server for many downloads, each with its own archive, order and faults."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = ArchiveServer(b"")
        self.transport = LinkTransport(timeouts=Timeouts(connect_s=2, read_s=0.15))
        self.tally = Tally()

    def close(self) -> None:
        self.transport.close()
        self.server.close()

    def run(self, seed: int, most_bytes: int) -> None:
        generator = random.Random(seed)
        files, newer = (make_files(generator, most_bytes) for _ in range(2))
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
            retry=RetryPolicy(tries=5, first_pause_s=0.001, longest_pause_s=0.005),
            tuning=Tuning(connections=4, chunk_bytes=generator.choice((100_000, MIB))),
        )
        error: InductivaWidgetsError | None = None
        try:
            outputs.start_download(target, filenames=names, uncompress=not packed).result(60)
            self.tally.completed += 1
        except LinkExpiredError as raised:
            # Two in a row are no fault to recover from: a fresh link was refused as well.
            error = None if schedule.faults.count("expire") > 1 else raised
            if error is None:
                shutil.rmtree(target, ignore_errors=True)
                return
        except InductivaWidgetsError as raised:
            error = raised
        is_new = server.body is newer_body
        versions = (files, newer) if is_new else (files,)
        self._judge(
            seed,
            target,
            packed=packed,
            names=names,
            error=error,
            versions=versions,
            bodies=(body, newer_body),
        )
        wire = 1.1 * (len(body) + is_new * len(newer_body)) + FIXED_BYTES
        # Where ranges are ignored, all is fetched, and what was sent until then is lost.
        wire += 1.1 * len(server.body) * schedule.faults.count("whole")
        if server.sent > wire + MIB * len(schedule.faults):
            self.tally.wrong.append(f"{seed}: {server.sent} bytes sent for {len(body)}")
        shutil.rmtree(target, ignore_errors=True)

    def _judge(self, seed, target, *, packed, names, error, versions, bodies) -> None:
        found = {
            path.relative_to(target).as_posix(): path.read_bytes()
            for path in target.rglob("*")
            if path.is_file() and not path.parent.name.startswith(".inductiva-")
        }
        if error is not None:
            # Names that only the older archive had are told as missing: that is no failure.
            gone = names is not None and any(name not in versions[-1] for name in names)
            if not gone:
                self.tally.failed.append(f"{seed}: {error!r}")
            if not isinstance(error, DownloadError) and not gone:
                self.tally.wrong.append(f"{seed}: {error!r}")
            allowed = [{**version, "output.zip": None} for version in versions]
            if not any(
                all(name in v and v[name] == data for name, data in found.items()) for v in allowed
            ):
                self.tally.wrong.append(f"{seed}: wrong files after {error!r}")
            return
        if packed:
            good = found in [{"output.zip": body} for body in bodies]
        else:
            good = found in [
                {name: files.get(name) for name in names} if names else files for files in versions
            ]
        if not good:
            self.tally.wrong.append(f"{seed}: false success, {sorted(found)}")


def run(count: int, folder: Path, most_bytes: int = 900_000, first: int = 0) -> Tally:
    trial = Trial(folder)
    try:
        for seed in range(first, first + count):
            long = most_bytes > MIB and seed % 1000 == 0
            trial.run(seed, 50 * MIB if long else most_bytes)
            if seed % 500 == 499:
                sys.stderr.write(f"{seed + 1}: {trial.tally}\n")
    finally:
        trial.close()
    return trial.tally


def test_three_hundred_downloads_under_random_faults(tmp_path):
    tally = run(DOWNLOADS, tmp_path)

    assert tally.wrong == []
    assert tally.failed == []
    assert tally.completed >= 0.9 * DOWNLOADS


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as base:
        result = run(int(sys.argv[1]), Path(base), 4 * MIB, *map(int, sys.argv[2:]))
    sys.stdout.write(f"{result}\n")
    sys.exit(bool(result.wrong) or len(result.failed) > result.completed / 1000)
