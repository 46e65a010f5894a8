"""kill -9 in the middle of a download, and once more: right, nothing left, nothing fetched twice.

`python tests/functional/test_outputs_kill.py 200` kills as often as it is told, `… 200 7` by the
schedule of seed 7.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))

from archive_server import ArchiveServer, CountingTransport, Source, zipped

from inductiva_widgets.errors import InductivaWidgetsError
from inductiva_widgets.outputs.archive import TAIL_BYTES
from inductiva_widgets.outputs.engine import Outputs
from inductiva_widgets.outputs.transfer import Tuning

KILLS = 15
CONNECTIONS = 4
_random = random.Random(3)
FILES = {
    **{f"vtk/fluid_{number}.vtk": _random.randbytes(300_000) for number in range(12)},
    **{f"small/{number}.txt": b"%d\n" % number * 400 for number in range(60)},
    "big.bin": _random.randbytes(3_000_000),
}
ARCHIVE = zipped(FILES, folders=("vtk/", "small/"))
EXPECTED = {"files": FILES, "packed": {"output.zip": ARCHIVE}}
MOST_SHARE = 1.1
CHILD = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parents[1] / "unit")!r})
from archive_server import CountingTransport
from inductiva_widgets.outputs.engine import Outputs
from inductiva_widgets.outputs.transfer import Tuning

class Source:
    def url(self):
        return sys.argv[1]
    def renew(self, old_url):
        return old_url

transport = CountingTransport(Path(sys.argv[4]))
outputs = Outputs(transport, Source(), tuning=Tuning(connections={CONNECTIONS}))
outputs.directory()
print("ready", flush=True)
outputs.start_download(Path(sys.argv[2]), uncompress=sys.argv[3] == "files").result()
"""


@dataclass
class Tally:
    """What came of many kills; `shares` are bytes received in both tries over the whole."""

    shares: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        return not self.wrong and not self.left and max(self.shares) <= MOST_SHARE

    def __str__(self) -> str:
        shares = sorted(self.shares)
        return (
            f"{len(shares)} kills: {len(shares) - len(self.wrong)} right, "
            f"{len(self.left)} temporaries left after success, bytes / size: "
            f"median {shares[len(shares) // 2]:.3f}, worst {shares[-1]:.3f}, "
            f"{sum(share > MOST_SHARE for share in shares)} above {MOST_SHARE}"
        )


def kill_and_repeat(
    server: ArchiveServer, target: Path, moment: random.Random, kind: str, count: Path
) -> None:
    """One download killed, and the same again to its end."""
    server.bytes_per_s = 2e6  # 4 connections: all of it takes 0.9 s
    command = [sys.executable, "-c", CHILD, server.url, str(target), kind, str(count)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        assert child.stdout.readline() == b"ready\n"
        time.sleep(moment.uniform(0, 0.9))
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
    for path in target.rglob("*"):
        name = path.relative_to(target).as_posix()
        if path.is_file() and not any(part.startswith(".") for part in name.split("/")):
            assert path.read_bytes() == EXPECTED[kind].get(name), f"{name} after the kill"
    server.bytes_per_s = None
    transport = CountingTransport(count)
    try:
        outputs = Outputs(transport, Source(server), tuning=Tuning(connections=CONNECTIONS))
        outputs.start_download(target, uncompress=kind == "files").result(30)
    finally:
        transport.close()


def run(count: int, folder: Path, seed: int = 1) -> Tally:
    moment = random.Random(seed)
    server = ArchiveServer(ARCHIVE)
    tally = Tally()
    try:
        for number in range(count):
            target = folder / str(number)
            kind = "packed" if number % 5 == 4 else "files"
            counted = folder / f"{number}.count"
            try:
                kill_and_repeat(server, target, moment, kind, counted)
            except (AssertionError, InductivaWidgetsError) as error:
                tally.wrong.append(f"{number}: {error!r}")
            received = CountingTransport.counted(counted) - 2 * TAIL_BYTES
            tally.shares.append(received / len(ARCHIVE))
            paths = [path for path in target.rglob("*") if path.is_file()]
            found = {path.relative_to(target).as_posix(): path for path in paths}
            left = [str(path.relative_to(target)) for path in target.rglob(".*")]
            tally.left += [f"{number}: {name}" for name in left]
            good = {name: found[name].read_bytes() for name in found if name not in left}
            if good != EXPECTED[kind]:
                tally.wrong.append(f"{number}: {sorted(good)}")
            shutil.rmtree(target)
    finally:
        server.close()
    return tally


@pytest.mark.fault(64)
def test_a_killed_download_goes_on_where_it_was(tmp_path):
    tally = run(KILLS, tmp_path)

    assert tally.is_good, tally


if __name__ == "__main__":
    kills, chosen = int(sys.argv[1]), int(sys.argv[2]) if sys.argv[2:] else int(time.time())
    with tempfile.TemporaryDirectory() as base:
        result = run(kills, Path(base), chosen)
    sys.stdout.write(f"seed {chosen}, {result}\n")
    for line in (*result.wrong, *result.left):
        sys.stdout.write(f"{line}\n")
    sys.exit(not result.is_good)
