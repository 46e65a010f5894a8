"""`make bench`: the figures that a change should not make worse, in a few minutes.

All but the last three parts run on loopback against the local engine, without imitated latency.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import bench_outputs
import bench_polling
import bench_view
import requests
from harness import Case, measure

from inductiva_widgets import backend as backends
from inductiva_widgets import local, tasks
from inductiva_widgets.service.packing import pack_listing

FILES = 1000
PICKED = 20
MAKE_FILES = """
import pathlib, random
random.seed(1)
pathlib.Path("vtk").mkdir()
for number in range({files}):
    lines = [f"{{random.random():.5f}} {{random.random():.5f}}" for _ in range(350)]
    pathlib.Path(f"vtk/ParticleData_Fluid_{{number}}.vtk").write_text("\\n".join(lines))
"""


def main() -> None:
    """Runs all parts."""
    bench_import()
    bench_listing()
    with tempfile.TemporaryDirectory() as folder:
        engine = local.start(Path(folder) / "engine")
        try:
            bench_engine_and_outputs(engine, Path(folder))
        finally:
            local.stop(engine.data_dir)
    bench_outputs.main([])
    bench_polling.main([])
    bench_view.main([])


def bench_import() -> None:
    """Fresh processes; the time is that of the import statement alone."""
    code = (
        "import sys, time; start = time.perf_counter(); import {module}; "
        "print(time.perf_counter() - start, len(sys.modules))"
    )

    def fresh(module: str) -> dict[str, float]:
        command = [sys.executable, "-c", code.format(module=module)]
        seconds, modules = subprocess.run(
            command, check=True, capture_output=True, text=True
        ).stdout.split()
        return {"seconds": float(seconds), "modules loaded": float(modules)}

    names = ("inductiva_widgets", "requests", "pandas", "ipywidgets")
    measure("Import", [Case(name, lambda name=name: fresh(name)) for name in names], repeats=7)


def bench_listing() -> None:
    """The file list of an archive on its way to the view."""
    names = [f"run_{i // 1000}/vtk/ParticleData_Fluid_{i}.vtk" for i in range(100_000)]
    sizes = [float(random.randrange(10**7)) for _ in names]

    def packed() -> dict[str, float]:
        _, frame = pack_listing(names, sizes, sizes)
        return {"bytes": float(len(frame))}

    def as_json() -> dict[str, float]:
        import msgspec

        rows = [{"name": n, "size": s, "packed": s} for n, s in zip(names, sizes, strict=True)]
        return {"bytes": float(len(msgspec.json.encode(rows)))}

    cases = [Case("packed frame, gzip 1", packed), Case("JSON rows", as_json)]
    measure("Listing of 100,000 files, made ready to send", cases, repeats=7)


def bench_engine_and_outputs(engine: local.EngineInfo, folder: Path) -> None:
    """Status requests, and some files out of an archive of many."""
    backend = backends.connect(engine.read_key(), engine.url)
    inputs = folder / "inputs"
    inputs.mkdir()
    (inputs / "make.py").write_text(MAKE_FILES.format(files=FILES))
    group = {"machine_group": "local", "container_image": "docker://none"}
    task = tasks.submit(["python make.py"], inputs, backend=backend, **group)
    task.wait(60)

    def status() -> dict[str, float]:
        for _ in range(100):
            backend.client.status(task.id)
        return {"requests": 100.0}

    measure("100 status requests to the local engine", [Case("ours", status)], repeats=7)

    bench_partial(backend, task, engine, folder)
    backend.close()


def bench_partial(
    backend: backends.Backend, task: tasks.Task, engine: local.EngineInfo, folder: Path
) -> None:
    """20 of 1,000 files, contents compared with the archive in the engine's storage."""
    picked = sorted(random.Random(2).sample(range(FILES), PICKED))
    names = [f"vtk/ParticleData_Fluid_{number}.vtk" for number in picked]
    truth = zipfile.ZipFile(next(engine.data_dir.rglob(f"{task.id}/output.zip")))
    path = task.info.storage_output_path or ""

    def target() -> Path:
        return Path(tempfile.mkdtemp(dir=folder))

    def check(base: Path) -> None:
        for name in names:
            if (base / name).read_bytes() != truth.read(f"artifacts/{name}"):
                raise SystemExit(f"wrong bytes in {name}")

    def ours() -> dict[str, float]:
        fresh = tasks.Task(task.id, backend=backend)
        base = fresh.start_download(names, target()).result()
        check(base)
        return {}

    def remote_zip() -> dict[str, float]:
        from remotezip import RemoteZip

        base = target()
        url = backend.client.signed_url(path, operation="download", region=None)
        with RemoteZip(url) as archive:
            for name in names:
                archive.extract(f"artifacts/{name}", base)
        check(base / "artifacts")
        return {}

    def everything() -> dict[str, float]:
        base = target()
        url = backend.client.signed_url(path, operation="download", region=None)
        with (base / "output.zip").open("wb") as output:
            output.write(requests.get(url, timeout=60).content)
        with zipfile.ZipFile(base / "output.zip") as archive:
            for name in names:
                archive.extract(f"artifacts/{name}", base)
        check(base / "artifacts")
        return {}

    cases = [Case("ours", ours), Case("remotezip", remote_zip), Case("whole archive", everything)]
    measure(f"{PICKED} of {FILES} files (6 KB each), 0 ms latency", cases, repeats=7)


if __name__ == "__main__":
    main()
