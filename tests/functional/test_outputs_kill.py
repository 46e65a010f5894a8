"""kill -9 in the middle of a download, and once more: right, nothing left, nothing fetched twice.

`python tests/functional/test_outputs_kill.py 200` kills as often as it is told.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))

from archive_server import ArchiveServer, Source, zipped

from inductiva_widgets.api.links import LinkTransport
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
CHILD = f"""
import sys
from pathlib import Path
from inductiva_widgets.api.links import LinkTransport
from inductiva_widgets.outputs.engine import Outputs
from inductiva_widgets.outputs.transfer import Tuning

class Source:
    def url(self):
        return sys.argv[1]
    def renew(self, old_url):
        return old_url

outputs = Outputs(LinkTransport(), Source(), tuning=Tuning(connections={CONNECTIONS}))
outputs.directory()
print("ready", flush=True)
outputs.start_download(Path(sys.argv[2]), uncompress=sys.argv[3] == "files").result()
"""


def kill_and_repeat(server: ArchiveServer, target: Path, moment: random.Random, kind: str) -> float:
    """Share of the archive that both tries together fetched."""
    server.sent = 0
    server.bytes_per_s = 2e6  # 4 connections: all of it takes 0.9 s
    command = [sys.executable, "-c", CHILD, server.url, str(target), kind]
    child = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        assert child.stdout.readline() == b"ready\n"
        time.sleep(moment.uniform(0, 0.9))
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
    for path in target.rglob("*"):
        if path.is_file() and path.suffix in (".vtk", ".txt", ".bin"):
            assert path.read_bytes() == FILES[path.relative_to(target).as_posix()]
    server.bytes_per_s = None
    transport = LinkTransport()
    try:
        outputs = Outputs(transport, Source(server), tuning=Tuning(connections=CONNECTIONS))
        outputs.start_download(target, uncompress=kind == "files").result(30)
    finally:
        transport.close()
    found = {
        path.relative_to(target).as_posix(): path.read_bytes()
        for path in target.rglob("*")
        if path.is_file()
    }
    assert found == (FILES if kind == "files" else {"output.zip": ARCHIVE})
    assert not list(target.rglob(".*"))
    return (server.sent - 2 * TAIL_BYTES) / len(ARCHIVE)


def run(count: int, folder: Path, seed: int = 1) -> list[float]:
    moment = random.Random(seed)
    server = ArchiveServer(ARCHIVE)
    shares = []
    try:
        for number in range(count):
            target = folder / str(number)
            kind = "packed" if number % 5 == 4 else "files"
            shares.append(kill_and_repeat(server, target, moment, kind))
            shutil.rmtree(target)
    finally:
        server.close()
    return shares


def test_a_killed_download_goes_on_where_it_was(tmp_path):
    shares = run(KILLS, tmp_path)

    assert max(shares) <= 1.1, shares


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as base:
        measured = sorted(run(int(sys.argv[1]), Path(base), seed=int(time.time())))
    sys.stdout.write(f"worst {measured[-1]:.3f}, median {measured[len(measured) // 2]:.3f}\n")
    sys.exit(measured[-1] > 1.1)
