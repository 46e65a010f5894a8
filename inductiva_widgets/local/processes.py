"""Child processes of a task: started apart from the engine, and ended with everything they began.

A command gets a session of its own, so its children can be found by session. A child that leaves
it (`setsid`) is found as a descendant while its parent lives, and by a token in its environment
afterwards. What escapes all three has cleared its environment, left the session and lost its
parent: nothing but a container would hold it.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import psutil

from inductiva_widgets.local.store import ProcessIdentity

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

__all__ = ["TOKEN_VARIABLE", "command_environment", "end_tree", "identify", "spawn", "tree"]

TOKEN_VARIABLE = "INDUCTIVA_WIDGETS_RUN"  # noqa: S105 - the name of a variable
# Everything else stays out: keys, tokens and Jupyter's own secrets travel in the environment.
KEPT_VARIABLES = (
    *("HOME", "LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "LOGNAME", "OMP_NUM_THREADS"),
    *("SHELL", "TEMP", "TERM", "TMP", "TMPDIR", "TZ", "USER"),
    *("COMSPEC", "PATHEXT", "SYSTEMDRIVE", "SYSTEMROOT", "USERPROFILE", "WINDIR"),
)
POLL_S = 0.05
SETTLE_S = 0.005
SETTLE_LOOKS = 10  # where processes come and go all the time, no look is ever the last word
CLOCK_STEP_S = 0.02  # two kernel ticks; after a step of the clock there is still the token
KERNEL_PARENT = 2  # of Linux' own threads, which never have either
KILL_LIMIT_S = 5.0  # a killed process that stays longer is stuck in the kernel


def command_environment(extra: Mapping[str, str], token: str) -> dict[str, str]:
    """Environment of a command: small, without secrets, the engine's interpreter first on PATH."""
    environment = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    interpreter_folder = str(Path(sys.executable).parent)
    environment["PATH"] = os.pathsep.join((interpreter_folder, os.environ.get("PATH", os.defpath)))
    environment.update(extra)
    environment[TOKEN_VARIABLE] = token
    return environment


def spawn(
    argv: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    prompts: Sequence[str],
    outputs: tuple[BinaryIO, BinaryIO],
) -> subprocess.Popen[bytes]:
    """Starts a command in its own session, reading the prompts and writing straight to files.

    Files instead of pipes: the end is the end of the process, whoever still holds the files, and
    no amount of output ever passes through the engine's memory.

    Raises:
        OSError: The command does not exist or cannot be executed.
    """
    with tempfile.TemporaryFile() as answers:
        answers.write("".join(f"{prompt}\n" for prompt in prompts).encode())
        answers.seek(0)
        return subprocess.Popen(  # noqa: S603 - running the user's commands is what the engine is for
            list(argv),
            cwd=folder,
            env=dict(environment),
            stdin=answers if prompts else subprocess.DEVNULL,
            stdout=outputs[0],
            stderr=outputs[1],
            start_new_session=True,
            close_fds=True,
        )


def identify(pid: int) -> ProcessIdentity:
    """Identity of a child that was just started and not waited for."""
    try:
        return ProcessIdentity(pid, psutil.Process(pid).create_time(), pid)
    except psutil.NoSuchProcess:
        return ProcessIdentity(pid, 0.0, pid)


def tree(roots: Collection[ProcessIdentity], token: str) -> list[psutil.Process]:
    """Living processes that belong to a run: roots, descendants, session members, token bearers.

    The engine itself and its ancestors are never among them.
    """
    return _look(roots, token)[0]


def _look(roots: Collection[ProcessIdentity], token: str) -> tuple[list[psutil.Process], bool]:
    """The tree, and whether it is empty for sure: nobody slipped through while it was drawn.

    A process may end between its child's birth and its own turn, when the list was made before the
    child; and a child that just became another program shows no environment for a moment.
    """
    mine = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    living: dict[int, psutil.Process] = {}
    parents: dict[int, int] = {}
    listed: set[int] = set()
    for process in psutil.process_iter():
        listed.add(process.pid)
        with contextlib.suppress(psutil.Error), process.oneshot():
            if process.pid not in mine and process.status() != psutil.STATUS_ZOMBIE:
                parents[process.pid] = process.ppid()
                living[process.pid] = process
    alive = {root.pid for root in roots if _is_root(living.get(root.pid), root)}
    # A session keeps its number reserved, so a number that a stranger bears is a new session.
    sessions = {root.pid for root in roots if root.pid in alive or root.pid not in living}
    members = alive | {
        pid for pid, process in living.items() if _bears(process, token, sessions=sessions)
    }
    grown = True
    while grown:
        children = {pid for pid, parent in parents.items() if parent in members} - members
        members |= children
        grown = bool(children)
    settled = (
        not members
        and listed.issuperset(psutil.pids())
        and not any(map(_is_becoming, living.values()))
    )
    return [living[pid] for pid in sorted(members)], settled


def _is_becoming(process: psutil.Process) -> bool:
    """Whether a process is between two programs: no arguments and no environment are there yet."""
    try:
        return process.ppid() != KERNEL_PARENT and not process.environ() and not process.cmdline()
    except (psutil.Error, OSError):
        return False


def _is_root(process: psutil.Process | None, root: ProcessIdentity) -> bool:
    try:
        return process is not None and abs(process.create_time() - root.create_time) < CLOCK_STEP_S
    except psutil.Error:
        return False


def _bears(process: psutil.Process, token: str, *, sessions: set[int]) -> bool:
    try:
        found = process.environ().get(TOKEN_VARIABLE)
        return found == token or (found is None and _session(process.pid) in sessions)
    except (psutil.Error, OSError):
        return False


def _session(pid: int) -> int:
    if sys.platform == "win32":
        return -1
    return os.getsid(pid)


def end_tree(roots: Collection[ProcessIdentity], token: str, *, grace_s: float) -> bool:
    """Ends every process of a run: asks (TERM), waits, then kills what is left.

    The tree is looked at again each time, so that a process that forks while it dies gains nothing.

    Returns:
        Whether nothing is left.
    """
    started_s = time.monotonic()
    asked: set[int] = set()
    empty_looks = 0
    while True:
        left, settled = _look(roots, token)
        if not left:
            empty_looks += 1
            if settled or empty_looks >= SETTLE_LOOKS:
                return True
            time.sleep(SETTLE_S)
            continue
        empty_looks = 0
        waited_s = time.monotonic() - started_s
        if waited_s > grace_s + KILL_LIMIT_S:
            return False
        for process in left:
            with contextlib.suppress(psutil.Error):
                if waited_s >= grace_s:
                    process.kill()
                elif process.pid not in asked:
                    asked.add(process.pid)
                    process.terminate()
                    process.resume()  # a stopped process would only see the signal once continued
        time.sleep(POLL_S)
