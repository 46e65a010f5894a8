"""The archives that are measured, made once into a cache folder: members below `artifacts/`."""

from __future__ import annotations

import io
import json
import random
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MB = 1000 * 1000


class _Stream(io.RawIOBase):
    """A file that cannot be seeked: archives written to it have data descriptors."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        return self._file.write(data)

    def close(self) -> None:
        self._file.close()
        super().close()


def _text(generator: random.Random, size: int) -> bytes:
    """Lines of numbers as in a vtk file: packs to about 45 %."""
    line = " ".join(f"{generator.gauss(0, 1):.6f}" for _ in range(9)).encode() + b"\n"
    lines = [line] + [
        " ".join(f"{generator.gauss(0, 1):.6f}" for _ in range(9)).encode() + b"\n"
        for _ in range(min(4000, size // len(line)))
    ]
    block = b"".join(lines)
    return (block * (size // len(block) + 1))[:size]


def _members(name: str) -> Iterator[tuple[str, bytes]]:
    generator = random.Random(name)
    if name == "b2g":
        yield "big.bin", b""
        return
    count, size = {
        "p1k": (1000, 6000),
        "f1k": (1000, 300_000),
        "g1k": (1000, MB),
        "m40": (40, 5 * MB),
        "m200": (200, 5 * MB),
        "t100k": (100_000, 225),
    }[name]
    texts = [_text(generator, size) for _ in range(8 if size > 1000 else 64)]
    for number in range(count):
        content = texts[number % len(texts)]
        if name.startswith("m"):
            content = content[: size // 2] + generator.randbytes(size - size // 2)
        elif name == "g1k":
            content = generator.randbytes(size)
        else:
            content = f"{number}\n".encode() + content[: size - 7]
        folder = f"part_{number // 1000}/" if count > 1000 else "vtk/"
        yield f"{folder}fluid_{number}.vtk", content


def archive(cache: Path, name: str) -> Path:
    """Path of an archive, made when it is not there yet."""
    path = cache / f"{name}.zip"
    if path.exists():
        return path
    cache.mkdir(parents=True, exist_ok=True)
    making = path.with_suffix(".making")
    method = zipfile.ZIP_STORED if name == "g1k" else zipfile.ZIP_DEFLATED
    with (
        _Stream(making) as stream,
        zipfile.ZipFile(stream, "w", method, compresslevel=1) as output,
    ):
        output.writestr("artifacts/", b"")
        for member, content in _members(name):
            if name == "b2g":
                _write_big(output, member)
            else:
                output.writestr(f"artifacts/{member}", content)
    making.rename(path)
    return path


def contents(path: Path) -> Path:
    """The listing of an archive as the service gives it, ready to be served."""
    listing = path.with_suffix(".contents.json")
    if not listing.exists():
        with zipfile.ZipFile(path) as source:
            told = [
                {
                    "name": info.filename,
                    "size": info.file_size,
                    "compressed_size": info.compress_size,
                    "range_start": info.header_offset,
                    "creation_time": "2026-01-01T00:00:00",
                    "compress_type": info.compress_type,
                }
                for info in source.infolist()
            ]
        listing.write_text(json.dumps({"size": path.stat().st_size, "contents": told}))
    return listing


def _write_big(output: zipfile.ZipFile, member: str) -> None:
    generator = random.Random(2)
    text = _text(generator, MB // 2)
    with output.open(f"artifacts/{member}", "w", force_zip64=True) as file:
        for _ in range(2000):
            file.write(text)
            file.write(generator.randbytes(MB // 2))
