"""The official pages, as they are: every code block runs, every print-out is compared."""

from __future__ import annotations

import ast
import contextlib
import hashlib
import importlib.util
import io
import os
import pty
import re
import select
import shlex
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import document_runner as documents
import pytest
from document_runner import DEVIATIONS, DOCUMENTS, MANAGE, MANAGEMENT, SUBSTITUTIONS, Difference
from raw_engine import launch
from relay import Relay
from support import backend_at

import inductiva_widgets as iw
from inductiva_widgets import backend as backends
from inductiva_widgets.api.models import STATUSES
from inductiva_widgets.outputs.files import OutputFiles
from inductiva_widgets.task.files import download_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from document_runner import Block, Step
    from raw_engine import RawEngine

SHA256 = {
    MANAGE: "c9118e0bd6102642ceeaca27e38eca62cae92aa5e78dda816aa27b19fc787499",
    MANAGEMENT: "335cd8928f334132dce5d5d1b6828d4b1b72c88d99d4d2c85d199a171c63678f",
}
ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 30
LOGS = ("stdout.txt", "stderr.txt")  # the engine writes lines of its own there
# Writes the files of the first document, each as large as it says, and those of the second.
SIMULATION = """
import pathlib, sys
for name, size in {
    "vtk/ParticleData_Fluid_40.vtk": 5760, "vtk/ParticleData_Fluid_32.vtk": 5760,
    "vtk/ParticleData_Fluid_17.vtk": 5760, "log/SPH_log.txt": 4980,
    "important_file1.txt": 3_800_000, "important_file2.txt": 1_270_000,
}.items():
    path = pathlib.Path(name)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(bytes(i * i % 251 for i in range(size)))
print("done")
"""


class Screen(io.StringIO):
    """What a person sees: progress bars appear in terminals only."""

    encoding = "utf-8"  # or the bars are drawn with `#`

    def isatty(self) -> bool:
        return True


@dataclass
class Ran:
    """What one step printed, and the value that it showed."""

    block: Block
    step: Step
    printed: str
    shown: Any = None


@dataclass
class Read:
    """Both documents, run: their steps, the names that each block left, differences besides."""

    ran: list[Ran] = field(default_factory=list)
    names: dict[tuple[str, int], dict[str, Any]] = field(default_factory=dict)
    besides: list[Difference] = field(default_factory=list)

    def of(self, document: str, source: str) -> Ran:
        (found,) = (
            one
            for one in self.ran
            if one.block.document == document and one.step.source.startswith(source)
        )
        return found


# -- where the documents run ---------------------------------------------------------------------


def as_in_the_document(_asked, reply):
    """The machine and the time that the first document shows, in place of this machine's."""

    def change(task):
        if isinstance(task, dict) and task.get("executer"):
            task["executer"].update(vm_type="c2-standard-4", host_type="GCP")
        if isinstance(task, dict) and "computation_seconds" in task.get("metrics", {}):
            task["metrics"]["computation_seconds"] = 192.4

    def change_all(value):
        for task in [value, *(value.get("tasks", []) if isinstance(value, dict) else [])]:
            change(task)

    if reply.status == 200 and reply.body.startswith(b"{"):
        reply.edit(change_all)


@dataclass
class Place:
    """An engine with one slot, and our package on it."""

    engine: RawEngine
    backend: backends.Backend
    folder: Path

    def submit(self) -> iw.Task:
        """What stands for the scenario of the second document."""
        inputs = self.folder / "inputs"
        inputs.mkdir(exist_ok=True)
        (inputs / "run.py").write_text(SIMULATION)
        return iw.tasks.submit(["python run.py"], inputs, simulator="openfoam")

    def running(self) -> str:
        task_id = self.engine.submit("sleep 60")
        self.engine.reach(task_id, "computation-started")
        return task_id

    @contextlib.contextmanager
    def busy(self) -> Iterator[str]:
        """The only slot is taken: new tasks stay in the queue."""
        task_id = self.running()
        yield task_id
        self.end(task_id)

    def end(self, task_id: str) -> None:
        self.engine.call("POST", f"/tasks/{task_id}/kill")
        self.engine.finish(task_id)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("documents")
    options = ("--port", "0", "--slots", "1", "--kill-grace", "0.5")
    with (
        contextlib.closing(launch(folder / "data", *options)) as engine,
        contextlib.closing(Relay(engine.url, after=as_in_the_document)) as relay,
        contextlib.closing(
            backend_at(relay.url, engine.key, folder / "out", is_local=True)
        ) as backend,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(backends, "_default", backend)
        yield Place(engine, backend, folder)


# -- running them --------------------------------------------------------------------------------


def run_step(block: Block, step: Step, names: dict[str, Any]) -> Ran:
    """Runs a statement as a person would, at a prompt or in a cell, and looks at the screen."""
    nodes = ast.parse(step.source).body
    screen = Screen()
    done = Ran(block, step, "")

    def show(value):
        done.shown = value
        if value is not None:
            print(repr(value), file=screen)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "displayhook", show)
        patch.setattr(sys, "stdout", screen)
        patch.setattr(sys, "stderr", screen)
        for node in nodes:
            is_value = isinstance(node, ast.Expr)
            tree: Any = ast.Interactive([node]) if is_value else ast.Module([node], [])
            exec(compile(tree, block.document, "single" if is_value else "exec"), names)
    done.printed = screen.getvalue()
    return done


def run_block(read: Read, block: Block, names: dict[str, Any], **ids: str) -> None:
    for step in block.steps(ids):
        read.ran.append(run_step(block, step, names))
    read.names[block.document, block.number] = names


def type_in_terminal(command: str, question: str, answer: str, environment) -> tuple[str, int]:
    """Runs a command in a pseudo-terminal and answers its question; its screen and exit code."""
    program, *words = shlex.split(command)
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [Path(sys.executable).parent / program, *words],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=environment,
        start_new_session=True,
    )
    os.close(slave)
    screen, is_asked, end = b"", False, time.monotonic() + DEADLINE_S
    try:
        while time.monotonic() < end:
            if not select.select([master], [], [], 1)[0]:
                continue
            try:
                piece = os.read(master, 65536)
            except OSError:  # the program has ended
                piece = b""
            if not piece:
                break
            screen += piece
            if question.encode() in screen and not is_asked:
                is_asked = True
                os.write(master, f"{answer}\n".encode())
        return screen.decode().replace("\r\n", "\n"), process.wait(DEADLINE_S)
    finally:
        os.close(master)
        process.kill()
        process.wait()


def run_command(read: Read, block: Block, place: Place, **ids: str) -> None:
    (step,) = block.steps(ids)
    question, answer = re.search(r"^(.*\? )(\w+)$", step.want, re.MULTILINE).groups()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(place.folder),
        "TERM": "xterm",
        "LANG": "C.UTF-8",
        "INDUCTIVA_API_URL": place.engine.url,
        "INDUCTIVA_API_KEY": place.engine.key,
    }
    screen, code = type_in_terminal(step.source, question, answer, environment)
    assert code == 0, screen
    read.ran.append(Ran(block, step, screen))


@pytest.fixture(scope="module")
def read(place) -> Read:
    """Both documents from top to bottom."""
    read = Read()
    engine, submit = place.engine, place.submit
    done = submit()
    engine.finish(done.id)

    first, second, third = documents.blocks(MANAGE)
    run_block(read, first, {"Task": iw.Task}, done=done.id)
    running = place.running()
    run_block(read, second, {"Task": iw.Task}, running=running)
    assert engine.finish(running)["status"] == "killed"
    running = place.running()
    run_command(read, third, place, other=running)
    assert engine.finish(running)["status"] == "killed"

    first, second, third, fourth = documents.blocks(MANAGEMENT)
    with place.busy() as computing:
        run_block(read, first, {"submit": submit})
        names: dict[str, Any] = {"submit": lambda: iw.Task(computing)}
        run_block(Read(), first, names)
        read.besides += unknown_status(first, names["status"])
        assert engine.status(computing)["status"] == "computation-started"
    run_block(read, second, {"submit": submit})
    read.besides += other_object(read.names[MANAGEMENT, 1]["output"])
    with place.busy():
        queued = [submit() for _ in range(2)]
        run_block(read, third, {})
        assert {engine.finish(task.id)["status"] for task in queued} == {"killed"}
    run_block(read, fourth, {})
    return read


def shown_statuses(block: Block) -> list[str]:
    """The words that the second document names as statuses."""
    return re.findall(r'"([\w-]+)"', re.search(r"# would be, e\.g\., (.*)", block.text)[1])


def unknown_status(block: Block, status: str) -> list[Difference]:
    words = shown_statuses(block)
    if status in words:
        return []
    return [Difference(MANAGEMENT, "print(status)", ", ".join(words), status)]


def other_object(output: object) -> list[Difference]:
    """The second document promises an object that knows the scenario."""
    theirs, ours = "an object of the scenario", f"`{type(output).__name__}`"
    return [Difference(MANAGEMENT, "output = task.get_output()", theirs, ours)]


# -- the documents and their table ---------------------------------------------------------------


def test_the_documents_are_the_users_byte_for_byte():
    found = {path.stem: hashlib.sha256(path.read_bytes()) for path in DOCUMENTS.iterdir()}

    assert {name: digest.hexdigest() for name, digest in found.items()} == SHA256


def test_every_block_of_the_documents_is_found():
    found = {name: [b.kind for b in documents.blocks(name)] for name in (MANAGE, MANAGEMENT)}

    assert found == {MANAGE: ["prompt", "prompt", "terminal"], MANAGEMENT: ["script"] * 4}
    for name, kinds in found.items():
        text = (DOCUMENTS / f"{name}.txt").read_text(encoding="utf-8")
        assert text.count("```") == 2 * len(kinds)


def test_a_substitution_that_applies_too_often_or_too_rarely_is_an_error():
    one = SUBSTITUTIONS[1]

    with pytest.raises(AssertionError, match="2 times, not 1"):
        one.apply(one.old * 2, {"running": "x"})
    with pytest.raises(AssertionError, match="0 times, not 1"):
        one.apply("", {"running": "x"})


def test_every_substitution_belongs_to_a_block():
    known = {
        (b.document, b.number) for name in (MANAGE, MANAGEMENT) for b in documents.blocks(name)
    }

    assert {(one.document, one.block) for one in SUBSTITUTIONS} <= known


def test_no_word_of_theirs_is_left_to_chance(read):
    """What runs is the document, but for what the table names."""
    kept = [one.step.source for one in read.ran]

    assert documents.LITERAL_ID not in "\n".join(kept)
    assert not [source for source in kept if re.search(r"\b(tak|scenario)\b", source)]


# -- what they show ------------------------------------------------------------------------------


def test_every_print_out_of_the_documents_is_compared(read):
    shown = sum(bool(one.step.want) for one in read.ran)

    # Status, machine, time, table; the dialogue; table, two bars, the list.
    assert shown == 4 + 1 + 4
    text = "".join((DOCUMENTS / f"{name}.txt").read_text("utf-8") for name in (MANAGE, MANAGEMENT))
    assert text.count(documents.SHOWN) == 4


def test_what_differs_is_listed_and_what_is_listed_differs(read):
    found = [
        one
        for ran in read.ran
        for one in documents.differences(ran.block.document, ran.step, ran.printed, ran.shown)
    ]

    every = found + read.besides
    assert [one for one in every if one not in DEVIATIONS] == []
    assert [one for one in DEVIATIONS if one not in every] == []
    assert len(every) == len(DEVIATIONS)
    assert all(DEVIATIONS.values())


def test_short_answers_are_the_documents_own(read):
    for source, shown in (
        ("task.get_machine_type()", "'c2-standard-4'\n"),
        ("task.get_computation_time()", "'00:03:12'\n"),
        ("task.get_status()", "'success'\n"),
    ):
        assert read.of(MANAGE, source).printed == shown


def test_files_of_the_documents_sizes_read_as_in_the_document(read):
    table = read.of(MANAGE, "print(output_files_info)")
    shown = documents.table_sizes(table.step.want)
    wanted = {name: size for name, size in shown.items() if name not in LOGS}
    printed = documents.table_sizes(table.printed)

    assert len(wanted) == 4
    assert {name: printed[name] for name in wanted} == wanted
    assert set(LOGS) <= printed.keys() & shown.keys()


def test_rows_stand_in_the_order_of_the_archive(read, place):
    table = read.of(MANAGE, "print(output_files_info)")
    task = read.names[MANAGE, 0]["task"]
    archive = place.engine.archive(task.id)
    members = [name.removeprefix("artifacts/") for name in archive.namelist()]

    printed = list(documents.table_sizes(table.printed))

    assert printed == [name for name in members if name in printed]
    assert len(printed) == len([info for info in archive.infolist() if not info.is_dir()])


def test_the_terminal_shows_what_the_document_shows(read):
    (dialogue,) = (one for one in read.ran if one.block.kind == "terminal")

    assert dialogue.printed == dialogue.step.want


def test_the_statuses_that_the_document_names_exist():
    first, *_ = documents.blocks(MANAGEMENT)

    assert len(shown_statuses(first)) == 5
    assert set(shown_statuses(first)) <= set(STATUSES)


# -- what they do --------------------------------------------------------------------------------


def test_a_task_in_the_queue_is_killed_by_the_documents_own_if(read):
    names = read.names[MANAGEMENT, 0]

    assert names["status"] == "submitted"
    assert names["task"].get_status() == "killed"


def test_what_is_known_of_outputs_has_the_documents_names(read):
    names = read.names[MANAGEMENT, 1]

    assert isinstance(names["output"], OutputFiles)
    assert names["output"]["important_file1.txt"].size == 3_800_000
    assert names["full_download_size"] == (names["output_dir"] / "output.zip").stat().st_size
    assert {one.name for one in names["files"]} >= {"important_file1.txt", "stdout.txt"}


def test_downloads_return_their_folder_with_the_files_asked_for(read, place):
    names = read.names[MANAGEMENT, 1]
    folder = names["output_dir"]

    assert folder == place.folder / "out" / names["task"].id / "outputs"
    found = {path.name for path in folder.iterdir() if path.is_file()}
    assert {"important_file1.txt", "important_file2.txt", "output.zip"} <= found


def test_tasks_of_earlier_sessions_come_back(read):
    names = read.names[MANAGEMENT, 2]

    assert {task.get_status() for task in names["tasks"]} == {"success"}
    assert len(names["not_started_tasks"]) == 2
    for task in names["successful_tasks"]:
        for one in task.get_output_files_info().contents:
            assert (download_folder(task) / one.name).stat().st_size == one.size


def test_the_frame_holds_what_the_printed_list_shows(read):
    frame = read.of(MANAGEMENT, "inductiva.tasks.list").shown

    assert [*frame["status"]] == ["success"] * 2
    assert [*frame["machine_type"]] == ["c2-standard-4"] * 2
    assert [*frame["simulator"]] == ["openfoam"] * 2
    assert (frame["submitted_at"] <= frame["started_at"]).all()
    assert frame["submitted_at"].is_monotonic_decreasing


def test_the_remote_simulation_dies_with_the_session_that_waits(place, monkeypatch):
    """`WILL DIE if the local session is interrupted`, by Ctrl-C as the document says."""
    block = documents.blocks(MANAGE)[1]
    running = place.running()
    *_, wait = block.steps({"running": running})
    assert wait.source.startswith("with task.sync_context():")
    watcher, main = place.backend.watcher, threading.get_ident()
    original: Callable[..., Any] = watcher.watch
    press = threading.Timer(0.2, signal.pthread_kill, (main, signal.SIGINT))

    def watch(*arguments, **options):
        made = original(*arguments, **options)
        if press.ident is None:  # once, from inside the waiting
            press.start()
        return made

    monkeypatch.setattr(watcher, "watch", watch)

    with pytest.raises(KeyboardInterrupt):
        run_step(block, wait, {"task": iw.Task(running)})

    assert place.engine.finish(running)["status"] == "killed"


# -- the page ------------------------------------------------------------------------------------


def test_the_committed_page_is_the_one_that_is_made():
    path = ROOT / "scripts" / "fidelity.py"
    spec = importlib.util.spec_from_file_location("fidelity", path)
    fidelity = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [*sys.path])
        spec.loader.exec_module(fidelity)

    made = fidelity.page()

    assert fidelity.PAGE.read_text("utf-8") == made, "run `python scripts/fidelity.py`"
