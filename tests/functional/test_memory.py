"""What a download of a large member takes of the memory, whatever its size."""

from __future__ import annotations

import mmap
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))

from archive_server import ArchiveServer

pytest.importorskip("resource", reason="the peak of a process is told by Unix")

MB = 1_000_000
LIMIT_BYTES = 80 * MB  # the goal is 64, which `make soak` shows; a busy machine holds more
CHILD = """
import resource, sys
from pathlib import Path
from inductiva_widgets.api.links import LinkTransport
from inductiva_widgets.outputs.engine import Outputs

class Source:
    def url(self):
        return sys.argv[1]
    def renew(self, old_url):
        return old_url

def peak():
    unit = 1 if sys.platform == "darwin" else 1024
    status = Path("/proc/self/status")
    if status.exists():  # on Linux `ru_maxrss` begins with what the parent has
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) * unit
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

outputs = Outputs(LinkTransport(), Source())
outputs.directory()
before = peak()
outputs.start_download(Path(sys.argv[2])).result()
print(peak() - before)
"""


@pytest.mark.full
@pytest.mark.fault(47)
@pytest.mark.timeout(600)
def test_a_member_of_two_gigabytes_needs_little_memory(tmp_path):
    size_bytes, piece = 2_000 * MB, bytes(i * i % 251 for i in range(MB))
    with (
        zipfile.ZipFile(tmp_path / "large.zip", "w") as archive,
        archive.open("artifacts/large.bin", "w", force_zip64=True) as member,
    ):
        for _ in range(size_bytes // MB):
            member.write(piece)

    with (
        (tmp_path / "large.zip").open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as body,
    ):
        server = ArchiveServer(body)
        try:
            command = [sys.executable, "-c", CHILD, server.url, str(tmp_path / "out")]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        finally:
            server.close()
            server.body = b""

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "large.bin").stat().st_size == size_bytes
    grown_bytes = int(done.stdout)
    sys.stdout.write(f"{grown_bytes / MB:.0f} MB\n")
    assert grown_bytes < LIMIT_BYTES
