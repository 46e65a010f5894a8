"""One run of one task: inputs, commands, outputs, and the one true end of it."""

from __future__ import annotations

import json
import logging
import os
import shlex
import shutil
import signal
import sqlite3
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inductiva_widgets.errors import InductivaWidgetsError
from inductiva_widgets.local import archives, log_ring, processes
from inductiva_widgets.local.disk import DISK_FULL, is_disk_full
from inductiva_widgets.local.sampling import Sampler, UpdateLog
from inductiva_widgets.local.statuses import RUNNING

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path
    from typing import BinaryIO

    from inductiva_widgets.local.settings import EngineSettings
    from inductiva_widgets.local.storage import Storage
    from inductiva_widgets.local.store import ProcessIdentity, Store, TaskRecord

__all__ = ["ENGINE_STOPPED", "KILLED", "Outcome", "TaskRun"]

logger = logging.getLogger(__name__)

COMMAND_NOT_FOUND = 127  # as a shell says it
COMMAND_NOT_EXECUTABLE = 126
SIGNAL_BASE = 128
FASTEST_POLL_S = 0.001
SLOWEST_POLL_S = 0.05
ROOM_INTERVAL_S = 0.05  # between looks at what was printed and at the room on the disk
RETRY_S = 1.0  # between tries to write a last state when there is no room for it


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ends: the terminal status, and why if it is not plain success."""

    status: str
    error_detail: str | None = None


KILLED = Outcome("killed")
ENGINE_STOPPED = Outcome("executer-failed", "The local engine was stopped while the task ran.")


class TaskRun:
    """Carries one task from `started` to a terminal status, on the thread that calls `execute`.

    Args:
        record: The task, as claimed from the queue or found after a crash.
        store: Where states go.
        storage: Where archives lie.
        settings: Limits and grace times.
    """

    def __init__(
        self, record: TaskRecord, store: Store, storage: Storage, settings: EngineSettings
    ) -> None:
        self.task_id = record.task_id
        self._record = record
        self._token = record.run_token or ""
        self._store = store
        self._storage = storage
        self._settings = settings
        self._home = settings.work_path / record.task_id
        self._folder = self._home / "run" / "sim_dir"
        self._logs = (self._home / "stdout.txt", self._home / "stderr.txt")
        self._metrics_file = self._home / "system_metrics.csv"
        self._updates_file = self._home / "output_update.csv"
        self._token_file = self._home / "token"
        self._rescued = settings.rescue_path / record.task_id
        self._stop_event = threading.Event()
        self._stop: Outcome | None = None
        self._grace_s = settings.kill_grace_s

    def stop(self, outcome: Outcome, *, grace_s: float | None = None) -> None:
        """Asks the run to end its processes and finish with this outcome; from any thread."""
        if self._stop is None:
            self._stop = outcome
        if grace_s is not None:
            self._grace_s = grace_s
        self._stop_event.set()

    def execute(self) -> None:
        """Runs the task to its end. Never raises: whatever happens becomes the task's state."""
        outcome: Outcome | None
        try:
            outcome = self._attempt()
        except Exception as error:  # noqa: BLE001 - the top of a run: `_plain` logs what is new
            outcome = Outcome("executer-failed", _plain(error, self.task_id))
        if outcome is not None:
            self.finish(outcome)

    def recover(self) -> None:
        """Ends what a killed engine left behind of this task, and gives it its true state."""
        left = self._store.processes(self.task_id)
        if not processes.end_tree(left, self._token, grace_s=self._settings.stop_grace_s):
            logger.error("Processes of task %s could not be ended", self.task_id)
        try:
            self._store.fail_open_operations(self.task_id)
        except sqlite3.Error:  # a full disk, say: the status matters more
            logger.exception("Operations of task %s were left open", self.task_id)
        known = self._record.outcome
        outcome = Outcome(**known) if known else ENGINE_STOPPED
        if self._rescued.exists():  # the engine was killed after it had put the outputs aside
            outcome = Outcome("executer-failed", self._not_packed("The engine was stopped."))
        self.finish(outcome)

    # -- the run -------------------------------------------------------------------------------

    def _attempt(self) -> Outcome | None:
        """How the commands ended; `None` if the task went back to the queue before the first."""
        self._take_inputs()
        if self._stop is ENGINE_STOPPED and self._store.requeue(self.task_id):
            return None
        if not self._store.move(self.task_id, "computation-started", only_from=("started",)):
            return KILLED
        limit_s = self._record.request.get("time_to_live_seconds")
        started_s = time.monotonic()
        deadline_s = None if limit_s is None else started_s + float(limit_s)
        try:
            commands = self._record.request["commands"]
            for number, command in enumerate(commands, 1):
                outcome = self._stop or self._command(
                    command, f"{number} of {len(commands)}", deadline_s
                )
                if outcome is not None:
                    return outcome
        finally:
            computation_s = time.monotonic() - started_s
            self._store.update_metrics(self.task_id, {"computation_seconds": computation_s})
        return Outcome("success")

    def _take_inputs(self) -> None:
        image = {"image_uri": self._record.container_image}
        operation = self._store.begin_operation(self.task_id, "download_container", image)
        known = {"execution_time_s": None, "source": "local-filesystem", "size_bytes": 0}
        self._store.end_operation(operation, ok=True, attributes=known)
        shutil.rmtree(self._home, ignore_errors=True)
        archive = self._storage.existing_file(self._record.input_path)
        operation = self._store.begin_operation(self.task_id, "uncompress_input", {})
        started_s = time.monotonic()
        ok = False
        try:
            size = archives.unpack(
                archive, self._folder.parent, limit_bytes=self._settings.unpacked_limit_bytes
            )
            self._folder.mkdir(exist_ok=True)
            self._add_resources()
            self._token_file.write_text(self._token, encoding="utf-8")
            marks = json.dumps(archives.snapshot(self._folder))
            (self._home / "inputs.json").write_text(marks, encoding="utf-8")
            ok = True
        finally:
            elapsed_s = time.monotonic() - started_s
            self._store.end_operation(operation, ok=ok, attributes={"execution_time_s": elapsed_s})
        self._store.update_metrics(
            self.task_id,
            {
                "input_download_seconds": 0.0,
                "input_decompression_seconds": elapsed_s,
                "input_zipped_size_bytes": archive.stat().st_size,
                "input_size_bytes": size,
            },
        )

    def _add_resources(self) -> None:
        """Adds stored files, folders and other tasks' outputs to the inputs."""
        for resource in self._record.request["input_resources"]:
            below = self._storage.files_below(resource)
            prefix = self._storage.normalise(resource) + "/"
            if not below:
                self._storage.existing_file(resource)
                below, prefix = [resource], resource.rpartition("/")[0] + "/"
            for path in below:
                self._add_resource(path, path.removeprefix(prefix).removeprefix("/"))

    def _add_resource(self, path: str, name: str) -> None:
        source = self._storage.existing_file(path)
        if source.name != "output.zip":
            target = self._folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            return
        opened = self._home / "resource"
        archives.unpack(source, opened, limit_bytes=self._settings.unpacked_limit_bytes)
        outputs = opened / "artifacts"
        if outputs.is_dir():
            shutil.copytree(outputs, self._folder, dirs_exist_ok=True)
        shutil.rmtree(opened)

    def _command(
        self, command: dict[str, Any], place: str, deadline_s: float | None
    ) -> Outcome | None:
        """Runs one command; returns how the task ended, if it ends with this command."""
        operation = self._store.begin_operation(
            self.task_id,
            "exec_command",
            {"command": command["cmd"], "container_command": command["cmd"]},
        )
        started_s = time.monotonic()
        try:
            code, trouble = self._run_process(command, deadline_s)
        except OSError as error:
            if is_disk_full(error):
                raise
            code, trouble = COMMAND_NOT_EXECUTABLE, _plain(error, self.task_id)
        elapsed_s = time.monotonic() - started_s
        if trouble is None and code < 0:
            trouble = f"killed by signal {-code}{_signal_name(-code)}"
            code = SIGNAL_BASE - code
        self._close_blocks(trouble if self._stop is None else self._stop.error_detail)
        self._store.end_operation(
            operation,
            ok=code == 0,
            attributes={"exit_code": code, "execution_time_s": elapsed_s},
        )
        if self._stop is not None or code == 0:
            return self._stop
        if self._is_out_of_room():  # what the command itself makes of it is anybody's guess
            return Outcome("executer-failed", DISK_FULL)
        reason = trouble or f"ended with exit code {code}"
        return Outcome("failed", f"Command {place} ({command['cmd']}): {reason}.")

    def _run_process(
        self, command: dict[str, Any], deadline_s: float | None
    ) -> tuple[int, str | None]:
        """Exit code as of Popen, and the reason if the command could not run at all."""
        argv = shlex.split(command["cmd"])
        environment = processes.command_environment(command["env"], self._token)
        self._open_blocks(argv, command["env"])
        if command["mpi_config"] is not None:
            mpirun = shutil.which("mpirun", path=environment["PATH"])
            if mpirun is None:
                return COMMAND_NOT_FOUND, "mpirun was not found; install MPI to run this command"
            argv = [mpirun, *mpi_arguments(command["mpi_config"]), *argv]
            environment |= _mpi_permission()
        with self._logs[0].open("ab") as out, self._logs[1].open("ab") as err:
            try:
                process = processes.spawn(
                    argv,
                    folder=self._folder,
                    environment=environment,
                    prompts=command["prompts"],
                    outputs=(out, err),
                )
            except FileNotFoundError:
                return COMMAND_NOT_FOUND, "command not found"
            except PermissionError:
                return COMMAND_NOT_EXECUTABLE, "permission denied"
            identity = processes.identify(process.pid)
            try:
                self._store.remember_process(self.task_id, identity)
                sampler = Sampler(
                    self._metrics_file,
                    command["cmd"],
                    process.pid,
                    interval_s=self._settings.metrics_interval_s,
                )
                self._watch(process, sampler, deadline_s)
            finally:
                self._end(process, identity)
        return process.returncode, None

    def _watch(
        self,
        process: subprocess.Popen[bytes],
        sampler: Sampler,
        deadline_s: float | None,
    ) -> None:
        """Returns when the process has ended, or has to."""
        delay_s = FASTEST_POLL_S
        look_s = time.monotonic()
        updates = UpdateLog(self._updates_file, self._folder)
        while process.poll() is None and not self._stop_event.wait(delay_s):
            delay_s = min(delay_s * 2, SLOWEST_POLL_S)
            if deadline_s is not None and time.monotonic() > deadline_s:
                limit_s = self._record.request["time_to_live_seconds"]
                self.stop(Outcome("ttl-exceeded", f"The time limit of {limit_s} s was reached."))
            if time.monotonic() >= look_s:
                look_s = time.monotonic() + ROOM_INTERVAL_S
                self._check_room()
            updates.write_if_due()
            sampler.sample_if_due()

    def _check_room(self) -> None:
        limit = self._settings.log_limit_bytes
        if not all(log_ring.turn(log, limit) for log in self._logs):
            self.stop(Outcome("executer-failed", f"The task printed more than {limit} bytes."))
        elif self._is_out_of_room():
            self.stop(Outcome("executer-failed", DISK_FULL))

    def _is_out_of_room(self) -> bool:
        return shutil.disk_usage(self._home).free < self._settings.disk_reserve_bytes

    def _end(self, process: subprocess.Popen[bytes], identity: ProcessIdentity) -> None:
        """Leaves nothing behind, be it after the command's own end or to end it."""
        if not processes.end_tree([identity], self._token, grace_s=self._grace_s):
            logger.error("Processes of task %s could not be ended", self.task_id)
        process.wait(timeout=processes.KILL_LIMIT_S)

    # -- logs ----------------------------------------------------------------------------------

    def _open_blocks(self, argv: list[str], environment: dict[str, str]) -> None:
        # The folder's whole path would travel with the outputs, and into saved notebooks.
        place = self._folder.name
        header = f"# COMMAND: {argv}\n# Working directory: {place}\n# Env: {environment}\n\n"
        for path in self._logs:
            with path.open("ab") as log:
                log.write(header.encode("utf-8", "replace"))

    def _close_blocks(self, trouble: str | None) -> None:
        for path in self._logs:
            with path.open("ab+") as log:
                note = f"{trouble}\n" if trouble and path is self._logs[1] else ""
                note = self._cut(path, log) + note
                text = _line_break(log) + note.encode() + b" -------\n"
                log.write(text)

    def _cut(self, path: Path, log: BinaryIO) -> str:
        """Shortens a log that grew too fast; returns a note where the log itself has none."""
        limit = self._settings.log_limit_bytes
        if log_ring.turn(path, limit):
            return ""
        log.truncate(limit)
        return f"\nWhat came after the first {limit} bytes of this log was not kept.\n"

    # -- the end -------------------------------------------------------------------------------

    def finish(self, outcome: Outcome) -> None:
        """Packs what there is and gives the task its terminal status. Never raises."""
        is_packed = True
        try:
            self._store_outputs(outcome)
        except Exception as error:  # noqa: BLE001 - `_plain` logs what is new
            is_packed = False
            outcome = self._keep_outputs(_plain(error, self.task_id))
        while not self._settle(outcome):
            time.sleep(RETRY_S)  # a task whose end was not noted would seem to run for ever
        if is_packed:
            shutil.rmtree(self._home, ignore_errors=True)

    def _settle(self, outcome: Outcome) -> bool:
        """Writes the terminal status; returns whether there was room for it."""
        detail = {"error_detail": outcome.error_detail}
        try:
            if self._store.move(self.task_id, outcome.status, only_from=RUNNING, **detail):
                logger.info("Task %s: %s", self.task_id, outcome.status)
            else:
                self._store.move(self.task_id, "killed", only_from=("pending-kill",))
        except sqlite3.Error as error:
            if not is_disk_full(error):
                raise
            logger.warning("No room for the state of task %s", self.task_id)
            return False
        return True

    def _keep_outputs(self, reason: str) -> Outcome:
        """Puts the folder of a run aside whose outputs cannot be packed: hours may be in it."""
        try:
            self._rescued.parent.mkdir(exist_ok=True)
            self._home.rename(self._rescued)
        except OSError:
            logger.exception("The folder of task %s stays where it is", self.task_id)
        return Outcome("executer-failed", self._not_packed(reason))

    def _not_packed(self, reason: str) -> str:
        kept = next((one for one in (self._rescued, self._home) if one.exists()), None)
        text = f"The outputs could not be packed: {reason}"
        return text if kept is None else f"{text} They are kept in {kept}."

    def _store_outputs(self, outcome: Outcome) -> None:
        if not self._logs[0].exists():  # no command has begun
            return
        note = {
            "computation_end_time": self._record.computation_end_time or self._store.now(),
            "outcome": json.dumps({"status": outcome.status, "error_detail": outcome.error_detail}),
        }
        if not self._store.move(
            self.task_id, "computation-ended", only_from=("computation-started",), **note
        ):
            self._store.note(self.task_id, **note)
        operation = self._store.begin_operation(self.task_id, "upload_output", {})
        started_s = time.monotonic()
        ok = False
        try:
            metrics = self._pack()
            ok = True
        finally:
            elapsed_s = time.monotonic() - started_s
            self._store.end_operation(operation, ok=ok, attributes={"execution_time_s": elapsed_s})
        self._store.update_metrics(self.task_id, {**metrics, "output_upload_seconds": elapsed_s})

    def _pack(self) -> dict[str, float]:
        extra: dict[str, Path] = {path.name: path for path in self._logs}
        for path in (self._metrics_file, self._updates_file):
            if path.exists():
                extra[path.name] = path
        marks = json.loads((self._home / "inputs.json").read_text(encoding="utf-8"))
        unchanged = {name: (mark[0], mark[1], mark[2]) for name, mark in marks.items()}
        target = self._storage.local_path(self._record.output_path)
        target.parent.mkdir(parents=True, exist_ok=True)
        packed = archives.pack(self._folder, unchanged, extra, target)
        self._storage.sha256(self._record.output_path)
        return {
            "output_total_files": packed.files,
            "output_size_bytes": packed.size_bytes,
            "output_zipped_size_bytes": target.stat().st_size,
        }


def mpi_arguments(config: dict[str, Any]) -> list[str]:
    """Options of mpirun from `{"version": …, "options": {"np": 4, "oversubscribe": true}}`."""
    arguments: list[str] = []
    for name, value in config.get("options", {}).items():
        if value is False or value is None:
            continue
        dashes = "-" if name in ("np", "n") else "--"  # the one spelling that every MPI knows
        arguments.append(dashes + name.replace("_", "-"))
        if value is not True:
            arguments.append(str(value))
    return arguments


def _signal_name(number: int) -> str:
    try:
        return f" ({signal.Signals(number).name})"
    except ValueError:  # real-time signals have no names
        return ""


def _mpi_permission() -> dict[str, str]:
    """Open MPI refuses to run as root unless allowed twice; in containers root is usual."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return {}
    return {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}


def _line_break(log: BinaryIO) -> bytes:
    """A line break if the text so far does not end with one."""
    if log.seek(0, os.SEEK_END) == 0:
        return b""
    log.seek(-1, os.SEEK_END)
    return b"" if log.read(1) == b"\n" else b"\n"


def _plain(error: Exception, task_id: str) -> str:
    """An error for people: without the paths of this machine where the system adds them."""
    if is_disk_full(error):
        return DISK_FULL
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}."
    if isinstance(error, InductivaWidgetsError | OSError | ValueError):
        return str(error)
    logger.error("Task %s: an error of the engine", task_id, exc_info=error)
    return "An error of the local engine; see its log."
