"""One way of getting outputs, once, in a fresh process: `ways.py WAY URL TARGET PICKS`.

PICKS is a JSON list of names below `artifacts/`, `null` for all, or `"list"` for the names only.
Prints seconds and growth of memory; imports are outside the clock, as in a running notebook.
"""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import types
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

PREFIX = "artifacts/"


def ours(url: str, target: Path, picks: object):  # noqa: ANN201 - a function to time
    """This package."""
    from inductiva_widgets.api import sessions
    from inductiva_widgets.api.links import LinkTransport
    from inductiva_widgets.outputs.engine import Outputs

    sessions.new_session("127.0.0.1", 0, time.sleep)  # loads what a first call loads

    class Source:
        def url(self) -> str:
            return url

        def renew(self, old_url: str) -> str:
            return old_url

    def run() -> int:
        outputs = Outputs(LinkTransport(), Source())
        if picks == "list":
            return len(outputs.directory().names)
        outputs.start_download(target, filenames=picks).result()  # type: ignore[arg-type]
        return 0

    return run


def official(url: str, target: Path, picks: object):  # noqa: ANN201
    """The official client's own functions, without its account and its checks at import."""
    packages = next(path for path in map(Path, sys.path) if (path / "inductiva/utils").is_dir())
    if picks == "list":
        return _official_listing(url, packages)
    spec = importlib.util.spec_from_file_location("data", packages / "inductiva/utils/data.py")
    data = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(data)
    import urllib3

    def run() -> int:
        if picks is None:
            with urllib3.PoolManager() as pool:
                response = pool.request("GET", url, preload_content=False)
                data.download_file(response, target / "output.zip")
            data.decompress_zip(target / "output.zip", target)
            (target / "output.zip").unlink()
        else:
            data.download_partial_outputs(url, picks, target)
        return 0

    return run


def _official_listing(url: str, packages: Path):  # noqa: ANN202
    """Its listing asks the service, whose answer lies ready here: a real one has its own cost."""
    package = types.ModuleType("inductiva")  # without what it does when it is imported
    package.__path__ = [str(packages / "inductiva")]
    sys.modules["inductiva"] = package
    client = importlib.import_module("inductiva.client")
    parts = urlsplit(url)
    api = client.StorageApi(
        client.ApiClient(client.Configuration(f"{parts.scheme}://{parts.netloc}"))
    )
    fields = ("name", "size", "compressed_size", "range_start", "creation_time", "compress_type")

    def run() -> int:
        told = api.get_zip_contents(path=parts.path[1:], zip_relative_path="", recursive="true")
        files = [{field: getattr(file, field) for field in fields} for file in told.contents]
        return len(files)

    return run


def remotezip(url: str, target: Path, picks: object):  # noqa: ANN201
    """The remotezip package."""
    from remotezip import RemoteZip

    def run() -> int:
        with RemoteZip(url) as archive:
            return _from_zip(archive, target, picks)

    return run


def fsspec(url: str, target: Path, picks: object):  # noqa: ANN201
    """The fsspec package under `zipfile`."""
    import fsspec as package

    def run() -> int:
        files = package.filesystem("http", block_size=1 << 18)
        with files.open(url) as file, zipfile.ZipFile(file) as archive:
            return _from_zip(archive, target, picks)

    return run


def _from_zip(archive: zipfile.ZipFile, target: Path, picks: object) -> int:
    if picks == "list":
        return len(archive.namelist())
    names = archive.namelist() if picks is None else [PREFIX + name for name in picks]
    for name in names:
        if name != PREFIX:
            output = target / name.removeprefix(PREFIX)
            output.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(name) as source, output.open("wb") as file:
                shutil.copyfileobj(source, file)
    return 0


def curl(url: str, target: Path, picks: object):  # noqa: ANN201
    """The programs curl and unzip."""

    def run() -> int:
        path = target / "output.zip"
        subprocess.run(["curl", "-sf", "-o", path, url], check=True)
        chosen = [] if picks is None else [PREFIX + name for name in picks]
        subprocess.run(["unzip", "-q", path, *chosen, "-d", target], check=True)
        path.unlink()
        for entry in (target / "artifacts").iterdir():
            entry.rename(target / entry.name)
        (target / "artifacts").rmdir()
        return 0

    return run


def floor(url: str, target: Path, picks: object):  # noqa: ANN201, ARG001
    """Sockets only: 16 connections share the bytes that are asked for, and drop them."""
    parts = urlsplit(url)
    with zipfile.ZipFile(Path(sys.argv[5])) as archive:
        total = Path(sys.argv[5]).stat().st_size
        infos = {info.filename: info for info in archive.infolist()}
        spans = (
            [(0, total)]
            if picks is None
            else [
                (infos[PREFIX + name].header_offset, infos[PREFIX + name].compress_size + 60)
                for name in picks
            ]
        )
    connections = 16
    if picks is None:
        share = -(-total // connections)
        spans = [(at, min(share, total - at)) for at in range(0, total, share)]

    def fetch(mine: list[tuple[int, int]]) -> None:
        buffer = bytearray(1 << 20)
        with socket.create_connection((parts.hostname, parts.port)) as connection:
            for start, size in mine:
                asked = (
                    f"GET {parts.path} HTTP/1.1\r\nRange: bytes={start}-{start + size - 1}\r\n\r\n"
                )
                connection.sendall(asked.encode())
                head = b""
                while b"\r\n\r\n" not in head:
                    head += connection.recv(4096)
                got = len(head) - head.index(b"\r\n\r\n") - 4
                while got < size:
                    got += connection.recv_into(buffer, min(len(buffer), size - got)) or size

    def run() -> int:
        fetch([(max(0, total - 70_000), min(total, 70_000))])
        shares = [spans[i::connections] for i in range(min(connections, len(spans)))]
        threads = [threading.Thread(target=fetch, args=(share,)) for share in shares]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return 0

    return run


def memory_kb(name: str) -> int:
    """A figure of this process; its peak is reset first: a child inherits that of its parent."""
    if name == "VmRSS":
        Path("/proc/self/clear_refs").write_text("5")
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) if found else 0


def main() -> None:
    """Runs one way and prints what it cost."""
    way, url, target, picks = sys.argv[1:5]
    run = globals()[way](url, Path(target), json.loads(picks))
    before = memory_kb("VmRSS")
    start, cpu = time.perf_counter(), time.process_time()
    run()
    facts = {"seconds": time.perf_counter() - start, "cpu s": time.process_time() - cpu}
    growth = memory_kb("VmHWM") - before
    print("\n" + json.dumps({**facts, "growth MB": growth / 1000}))


if __name__ == "__main__":
    main()
