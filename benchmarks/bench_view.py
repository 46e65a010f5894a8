"""What people wait for in JupyterLab, beside other tables of the same rows.

`python benchmarks/bench_view.py [--full] [--repeats N] [--only PART …]` prints Markdown tables. A
real JupyterLab on a real engine in headless Chromium; ways take turns, each in a fresh page with a
fresh kernel that has imported what it needs. A time runs from the call that runs the cell to the
frame in which the page shows what is waited for. Without `--full`: 10,000 files and one repeat. The
other tables are measured when `make .venv/.peers` has fetched them. Their data frame is in memory
before the clock starts; so is the archive's directory in the first way of ours, not in the second.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import functools
import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import bench_polling
import psutil
from harness import Case, measure

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "browser"))
from hosting import Lab, running_chromium, running_lab  # noqa: E402 - found by the line above
from notebook import Notebook, write_notebook  # noqa: E402

from inductiva_widgets import backend as backends  # noqa: E402
from inductiva_widgets import local, tasks  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, BrowserContext, CDPSession, Page

PEERS = Path(sys.prefix) / "peers"
MANY = 1_000_000
GROUP = {"machine_group": "local", "container_image": "docker://none"}
RUNNING = 50
SETTLED_S = 15.0  # after this views have asked what they ask once
WATCHED_S = 20.0
FOLLOWED_S = 10.0  # before a task ends: by then its view looks as seldom as it will
PARTS = ("paint", "files", "million", "change", "monitors")

# -- in the page ---------------------------------------------------------------------------------

# Counts what comes, keeps the list as first form, and gives words to the measurements below.
SCRIPT = """(() => {
  localStorage.setItem('inductiva-widgets:files-form', 'list');
  const Plain = window.WebSocket;
  window.received = 0;
  window.WebSocket = class extends Plain {
    constructor(...all) {
      super(...all);
      this.addEventListener('message', ({ data }) => {
        window.received += data.length ?? data.byteLength ?? data.size;
      });
    }
  };
  // Elements in shadow roots, too.
  const all = (root, selector) => [
    ...root.querySelectorAll(selector),
    ...[...root.querySelectorAll('*')]
      .filter(one => one.shadowRoot)
      .flatMap(one => all(one.shadowRoot, selector)),
  ];
  const hasText = row => row.textContent.trim() !== '';
  window.rows = (cell, selector) => all(cell, selector).filter(hasText).length;
  // A grid on a canvas: whether its first column has letters, which no empty grid has.
  window.inked = cell => all(cell, 'canvas').some(canvas => {
    if (canvas.width < 200 || canvas.height < 200) return false;
    const { data } = canvas.getContext('2d').getImageData(80, 60, 100, 100);
    let dark = 0;
    for (let i = 0; i < data.length; i += 4) {
      if (data[i + 3] > 200 && data[i] + data[i + 1] + data[i + 2] < 300) dark += 1;
    }
    return dark > 50;
  });
  // Milliseconds from an act to the frame that shows what is waited for.
  window.painted = (act, isShown) => new Promise(resolve => {
    const start = performance.now();
    act();
    const look = () => {
      if (isShown()) setTimeout(() => resolve(performance.now() - start));
      else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  });
  window.runCell = (number, condition) => {
    const { content } = window.jupyterapp.shell.currentWidget;
    content.activeCellIndex = number;
    const cell = content.widgets[number].node;
    const isShown = new Function('cell', `return ${condition}`);
    const run = () => void window.jupyterapp.commands.execute('notebook:run-cell');
    return window.painted(run, () => isShown(cell));
  };
  window.scrolled = (element, frames, step) => new Promise(resolve => {
    const times = [];
    let before = 0;
    const frame = now => {
      if (before > 0) times.push(now - before);
      before = now;
      if (times.length === frames) resolve(times);
      else {
        element.scrollTop += step;
        requestAnimationFrame(frame);
      }
    };
    requestAnimationFrame(frame);
  });
})();"""

OURS_SHOWN = "rows(cell, '.iw-space .iw-fr:not([hidden])') > 5"
BADGE_SHOWN = "rows(cell, '.iw-badge') > 0"
COMPLETE = "rows(cell, '.iw-foot button') > 0"  # the bar below the files is the last to come

# What a user does to the list: the act, and what the page shows then. `grid` is the table.
FIND = """(() => {{
  const input = grid.closest('.iw').querySelector('input[aria-label="Search files"]');
  input.value = {query!r};
  input.dispatchEvent(new Event('input', {{ bubbles: true }}));
}})()"""
COUNT = "grid.getAttribute('aria-rowcount')"
SWITCH = "grid.closest('.iw').querySelector('button[aria-label={label}]').click()"
SIZE_HEAD = "grid.querySelectorAll('.iw-sort')[1]"
ACTS = {
    "sort by size": (
        f"{SIZE_HEAD}.click()",
        f"{SIZE_HEAD}.parentElement.getAttribute('aria-sort') === 'descending'",
    ),
    "search that finds all": (FIND.format(query="fluid"), f"{COUNT} === '{{count}}'"),
    "search that finds some": (FIND.format(query="fluid_99"), f"Number({COUNT}) < {{count}} / 5"),
    "search by a pattern": (FIND.format(query="step_*/*_1?.vtk"), f"Number({COUNT}) < 15"),
    "search cleared": (FIND.format(query=""), f"{COUNT} === '{{count}}'"),
    "select all": (
        "grid.querySelector('.head .iw-ck').click()",
        "grid.querySelector('.head .iw-ck').getAttribute('aria-checked') === 'true'",
    ),
    "tree, built": (SWITCH.format(label="Tree"), "grid.getAttribute('role') === 'treegrid'"),
    "tree, again": (SWITCH.format(label="Tree"), "grid.getAttribute('role') === 'treegrid'"),
}
TARGETS = "≤ 0.6 s and less than all other tables, ≤ 1.4 MB, notebook ≤ 16 KB more, heap ≤ 20 MB"
TARGETS_MS = {
    "sort by size": 90,
    "search that finds all": 60,
    "search that finds some": 60,
    "search by a pattern": 60,
    "search cleared": 60,
    "select all": 30,
    "tree, built": 250,
    "scroll, frame p95": 20,
}


# -- notebooks -----------------------------------------------------------------------------------

CONNECT = """import inductiva_widgets as iw
from inductiva_widgets import TaskMonitor
backend = iw.connect()
task = iw.Task({task_id!r})"""
READ = "task.get_output_info()"
BARE = """import anywidget
class Bare(anywidget.AnyWidget):
    _esm = "export default {render({el}) { el.innerHTML = '<b class=bare>here</b>' }}"
"""
FRAME = """import pandas as pd, zipfile
infos = zipfile.ZipFile({archive!r}).infolist()
frame = pd.DataFrame({{
    "name": [info.filename.removeprefix("artifacts/") for info in infos],
    "size": [info.file_size for info in infos],
    "packed": [info.compress_size for info in infos],
}})"""
TABLES = {
    "ipydatagrid": ("import ipydatagrid", "ipydatagrid.DataGrid(frame)", "inked(cell)"),
    "itables": (
        "import itables; itables.init_notebook_mode(connected=False)",
        "itables.show(frame, maxBytes=0)",
        "rows(cell, 'table.dataTable tbody tr') > 5",
    ),
    "quak": ("import quak", "quak.Widget(frame)", "rows(cell, 'table tbody tr') > 5"),
}


@dataclass
class Place:
    """The JupyterLab of the measurement and a task of each number of files."""

    lab: Lab
    browser: Browser
    backend: backends.Backend
    folder: Path
    tasks: dict[int, tasks.Task] = field(default_factory=dict)
    archives: dict[int, Path] = field(default_factory=dict)

    @contextlib.contextmanager
    def opened(self, *cells: str) -> Iterator[tuple[Notebook, CDPSession]]:
        """A notebook in a new profile, its kernel alive until the end; the first cell has run."""
        write_notebook(self.lab.root / "bench.ipynb", *cells)
        context: BrowserContext = self.browser.new_context(viewport={"width": 1280, "height": 1000})
        context.add_init_script(SCRIPT)
        page = context.new_page()
        page.set_default_timeout(120_000)
        notebook = Notebook(page, self.lab, "bench.ipynb")
        try:
            notebook.run(0)
            yield notebook, context.new_cdp_session(page)
        finally:
            page.evaluate("() => jupyterapp.shell.currentWidget.sessionContext.shutdown()")
            context.close()

    def task(self, files: int) -> tasks.Task:
        """An ended task with that many files; its archive takes the place of the engine's."""
        if files not in self.tasks:
            task = tasks.submit(["python --version"], self.folder, backend=self.backend, **GROUP)
            with contextlib.redirect_stdout(io.StringIO()):
                task.wait(60)
            (stored,) = self.lab.engine.data_dir.rglob(f"{task.id}/output.zip")
            write_archive(stored, files)
            self.tasks[files], self.archives[files] = task, stored
        return self.tasks[files]


def write_archive(path: Path, files: int) -> None:
    """Small files in one folder for ten of them, and one for 200 of those."""
    content = b"0.1234 0.5678 0.9012\n" * 20
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for i in range(files):
            name = f"run_{i // 2000}/step_{i // 10 % 200}/ParticleData_Fluid_{i}.vtk"
            archive.writestr(f"artifacts/{name}", content[: i * 7919 % len(content)])


def run_cell(notebook: Notebook, number: int, shown: str) -> float:
    """Runs a cell; seconds until the page shows what is waited for."""
    return notebook.page.evaluate("([n, shown]) => runCell(n, shown)", [number, shown]) / 1000


def wait_for(notebook: Notebook, number: int, shown: str) -> None:
    """Waits until the page shows something in a cell."""
    notebook.page.wait_for_function(
        "([n, shown]) => new Function('cell', `return ${shown}`)("
        "jupyterapp.shell.currentWidget.content.widgets[n].node)",
        arg=[number, shown],
    )


def notebook_bytes(place: Place, page: Page) -> int:
    """Size of the notebook's file once saved."""
    page.evaluate("() => jupyterapp.commands.execute('docmanager:save')")
    return (place.lab.root / "bench.ipynb").stat().st_size


def heap_mb(session: CDPSession) -> float:
    """JavaScript heap with the buffers of typed arrays, after a collection."""
    session.send("HeapProfiler.collectGarbage")
    usage = session.send("Runtime.getHeapUsage")
    return (usage["usedSize"] + usage.get("backingStorageSize", 0)) / 1e6


def percentile(values: list[float], part: float) -> float:
    """The value below which that part of them lies."""
    return sorted(values)[min(len(values) - 1, int(part * len(values)))]


# -- parts ---------------------------------------------------------------------------------------


def bench_paint(place: Place, repeats: int) -> None:
    """From the run of a cell to the first frame with a view, without its files.

    A second view is asked for at once, while the first still lists its files and loads its parts,
    and a third when both are complete.
    """

    def first(cell: str, shown: str, complete: str) -> dict[str, float]:
        start = CONNECT.format(task_id=place.task(10).id) + "\n" + BARE
        with place.opened(start, cell, cell, cell) as (notebook, _):
            facts = {"seconds": run_cell(notebook, 1, shown)}
            facts["second at once"] = run_cell(notebook, 2, shown)
            for number in (1, 2):
                wait_for(notebook, number, complete)
            facts["another s"] = run_cell(notebook, 3, shown)
            return facts

    bare = "rows(cell, '.bare') > 0"
    cases = [
        Case("TaskMonitor", lambda: first("TaskMonitor(task)", BADGE_SHOWN, COMPLETE)),
        Case("a task, through the Jupyter server", lambda: first("task", BADGE_SHOWN, COMPLETE)),
        Case("bare anywidget", lambda: first("Bare()", bare, bare)),
    ]
    measure("Cell run → first paint, first widget of the page", cases, repeats)
    print("\nTargets: ≤ 0.3 s, a second view ≤ 0.15 s.")


def bench_files(place: Place, files: int, repeats: int) -> None:
    """The file table beside tables of the same rows, and what a user does to it."""
    acted: dict[str, list[float]] = {}
    connect = CONNECT.format(task_id=place.task(files).id)
    frame = FRAME.format(archive=str(place.archives[files]))

    def shown(start: str, cell: str, condition: str, after: Callable | None) -> dict[str, float]:
        with place.opened(start, cell) as (notebook, session):
            page = notebook.page
            size, heap = notebook_bytes(place, page), heap_mb(session)
            before = page.evaluate("() => received")
            facts = {"seconds": run_cell(notebook, 1, condition)}
            facts["wire MB"] = (page.evaluate("() => received") - before) / 1e6
            facts["notebook KB"] = (notebook_bytes(place, page) - size) / 1e3
            facts["heap MB"] = heap_mb(session) - heap
            if after is not None:
                after(page, acted, files)
        return facts

    ways = {
        "TaskMonitor, directory read before": (f"{connect}\n{READ}", "TaskMonitor(task)"),
        "TaskMonitor, nothing read before": (connect, "TaskMonitor(task)"),
    }
    cases = [
        Case(name, functools.partial(shown, *way, OURS_SHOWN, None if acts else use))
        for acts, (name, way) in enumerate(ways.items())
    ]
    if PEERS.exists():
        cases += [
            Case(name, functools.partial(shown, f"{frame}\n{start}", cell, condition, None))
            for name, (start, cell, condition) in TABLES.items()
        ]
    measure(f"{files:,} files: cell run → usable rows", cases, repeats)
    print(f"\nTargets for 100,000 files: {TARGETS}.")
    show_acts(f"{files:,} files: the user's hand", acted)


def use(page: Page, acted: dict[str, list[float]], files: int) -> None:
    """What a user does to a list, each act timed to its frame, in milliseconds."""
    for name, (act, shown) in ACTS.items():
        if name == "tree, again":
            page.evaluate(_on_grid(SWITCH.format(label="List")))
        isthere = shown.format(count=files + 1)
        timed = _on_grid(f"painted(() => {act}, () => {isthere})")
        acted.setdefault(name, []).append(page.evaluate(timed))
    page.evaluate(_on_grid(SWITCH.format(label="List")))
    frames = page.evaluate(_on_grid("scrolled(grid, 120, 900)"))
    acted.setdefault("scroll, frame p50", []).append(percentile(frames, 0.5))
    acted.setdefault("scroll, frame p95", []).append(percentile(frames, 0.95))


def _on_grid(act: str) -> str:
    return f"() => {{ const grid = document.querySelector('.iw-grid'); return {act}; }}"


def show_acts(title: str, acted: dict[str, list[float]]) -> None:
    """Medians of what a user did, beside the targets for 100,000 files."""
    print(f"\n### {title}\n\n| act | median ms | min – max | target |\n|---|---|---|---|")
    for name, values in acted.items():
        spread = f"{min(values):.0f} – {max(values):.0f}"
        target = f"≤ {TARGETS_MS[name]}" if name in TARGETS_MS else ""
        print(f"| {name} | {statistics.median(values):.0f} | {spread} | {target} |")


def bench_million(place: Place, repeats: int) -> None:
    """As many files as an archive may have."""
    connect = CONNECT.format(task_id=place.task(MANY).id)

    def opened() -> dict[str, float]:
        with place.opened(connect, "TaskMonitor(task)") as (notebook, session):
            heap = heap_mb(session)
            facts = {"seconds": run_cell(notebook, 1, OURS_SHOWN)}
            facts["heap MB"] = heap_mb(session) - heap
            page = notebook.page
            frames = page.evaluate(_on_grid("scrolled(grid, 120, 5000)"))
            facts["scroll p50 ms"] = percentile(frames, 0.5)
            facts["scroll p95 ms"] = percentile(frames, 0.95)
            page.evaluate(_on_grid("void (grid.scrollTop = grid.scrollHeight)"))
            page.evaluate("() => new Promise(done => setTimeout(done, 500))")
            last = "Math.max(...[...grid.querySelectorAll('.iw-space .iw-fr:not([hidden])')]"
            last += ".map(row => Number(row.dataset.row)))"
            facts["last row shown"] = page.evaluate(_on_grid(last)) + 1
        return facts

    measure(f"{MANY:,} files: cell run → usable rows", [Case("TaskMonitor", opened)], repeats)
    print(f"\nTargets: ≤ 4 s, a frame ≤ 25 ms (p95), the last row ({MANY:,}) shown.")


def bench_change(place: Place, repeats: int) -> None:
    """From the moment of the service's own status change to the badge that says so."""

    def changed() -> dict[str, float]:
        end = place.folder.parent / "end"
        end.unlink(missing_ok=True)
        (place.folder / "wait.py").write_text(
            f"import pathlib, time\nwhile not pathlib.Path({str(end)!r}).exists():\n"
            "    time.sleep(0.01)\n"
        )
        task = tasks.submit(["python wait.py"], place.folder, backend=place.backend, **GROUP)
        badge = "document.querySelector('.iw-badge')?.textContent.includes('{}')"
        with place.opened(CONNECT.format(task_id=task.id), "TaskMonitor(task)") as (notebook, _):
            run_cell(notebook, 1, "rows(cell, '.iw-badge') > 0")
            page = notebook.page
            page.wait_for_function(f"() => {badge.format('In Progress')}", polling="raf")
            time.sleep(FOLLOWED_S)
            end.touch()
            page.wait_for_function(f"() => {badge.format('Success')}", polling="raf")
            seen = page.evaluate(
                "() => new Promise(done => requestAnimationFrame(() => "
                "setTimeout(() => done(Date.now() / 1000))))"
            )
        record = place.backend.client.task(task.id)
        ended = max(change.timestamp for change in record.status_history if change.timestamp)
        return {"seconds": seen - dt.datetime.fromisoformat(ended).timestamp()}

    measure("Status change at the service → badge painted", [Case("TaskMonitor", changed)], repeats)


def bench_monitors(place: Place, repeats: int) -> None:
    """Running tasks in one notebook: what the service is asked, and what the kernel spends."""

    def followed(url: str, show: str, shown: str, count: int) -> dict[str, float]:
        start = (
            "import inductiva_widgets as iw\n"
            "from inductiva_widgets import TaskMonitor\n"
            f"backend = iw.connect('bench-key', {url!r})\n{BARE}"
        )
        cell = f"for one in {bench_polling.IDS[:count]!r}: display({show})"
        with place.opened(start, cell) as (notebook, _):
            kernel = max(kernels_of(place.lab), key=lambda one: one.create_time())
            threads = kernel.num_threads()
            seconds = run_cell(notebook, 1, f"rows(cell, '{shown}') === {count}")
            time.sleep(SETTLED_S)
            asked, cpu, begun = bench_polling.asked(url), cpu_s(kernel), time.monotonic()
            time.sleep(WATCHED_S)
            passed = time.monotonic() - begun
            return {
                "seconds": seconds,
                "requests/s": (bench_polling.asked(url) - asked) / passed,
                "more threads": kernel.num_threads() - threads,
                "CPU %": 100 * (cpu_s(kernel) - cpu) / passed,
            }

    ways = {
        f"{RUNNING} monitors": ("TaskMonitor(one)", ".iw-badge", RUNNING),
        "1 monitor": ("TaskMonitor(one)", ".iw-badge", 1),
        f"{RUNNING} bare anywidgets": ("Bare()", ".bare", RUNNING),
    }
    with bench_polling._served(bench_polling.LATENCY_S) as url:  # noqa: SLF001 - the same server
        cases = [Case(name, functools.partial(followed, url, *way)) for name, way in ways.items()]
        measure("Running tasks shown in one notebook (time: all painted)", cases, repeats)


def cpu_s(process: psutil.Process) -> float:
    """Processor seconds that a process has used."""
    used = process.cpu_times()
    return used.user + used.system


def kernels_of(lab: Lab) -> list[psutil.Process]:
    """Processes of the kernels that JupyterLab started."""
    return psutil.Process(lab.pid).children()


# -- all of it -----------------------------------------------------------------------------------


def main(arguments: list[str]) -> None:
    """Measures all parts, or those named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="100,000 files, 1,000,000, 5 repeats")
    parser.add_argument("--repeats", type=int)
    parser.add_argument("--only", nargs="+", choices=PARTS)
    asked = parser.parse_args(arguments)
    repeats = asked.repeats or (5 if asked.full else 1)
    files = 100_000 if asked.full else 10_000
    parts = {
        "paint": lambda: bench_paint(place, repeats),
        "files": lambda: bench_files(place, files, repeats),
        "million": lambda: bench_million(place, (repeats + 1) // 2),
        "change": lambda: bench_change(place, repeats),
        "monitors": lambda: bench_monitors(place, (repeats + 1) // 2),
    }
    print(f"## In JupyterLab\n\n{surroundings()}", flush=True)
    begun = time.monotonic()
    with _place() as place:
        for name in asked.only or (PARTS if asked.full else ("paint", "files", "change")):
            parts[name]()
            sys.stdout.flush()
    minutes = (time.monotonic() - begun) / 60
    print(f"\n{minutes:.0f} minutes; load at the end {os.getloadavg()[0]:.1f}, our own included.")


def surroundings() -> str:
    """When, of what, and beside what other work this was measured."""
    git = ["git", "-C", str(ROOT)]
    commit = subprocess.check_output([*git, "rev-parse", "--short", "HEAD"], text=True).strip()
    changed = subprocess.check_output([*git, "status", "--porcelain"], text=True).strip()
    return (
        f"{dt.datetime.now(dt.timezone.utc):%Y-%m-%d %H:%M} UTC, commit {commit}"
        f"{' with changes' if changed else ''}, {os.cpu_count()} cores, "
        f"load before {os.getloadavg()[0]:.1f}. Made by `python benchmarks/bench_view.py`."
    )


@contextlib.contextmanager
def _place() -> Iterator[Place]:
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as ending:
        home = Path(name)
        inputs = home / "inputs"
        inputs.mkdir()
        (inputs / "case.txt").write_text("a case")
        engine = local.start(home / "engine", slots=2)
        ending.callback(local.stop, engine.data_dir)
        backend = backends.connect(engine.read_key(), engine.url)
        ending.callback(backend.close)
        environment = {
            "INDUCTIVA_WIDGETS_LOCAL": "1",
            "INDUCTIVA_WIDGETS_DATA_DIR": str(engine.data_dir),
            "PYTHONPATH": str(PEERS),
            "JUPYTER_PATH": str(PEERS / "share" / "jupyter"),
        }
        (home / "lab").mkdir()
        lab = ending.enter_context(running_lab(home / "lab", engine, environment))
        browser = ending.enter_context(running_chromium())
        yield Place(lab, browser, backend, inputs)


if __name__ == "__main__":
    main(sys.argv[1:])
