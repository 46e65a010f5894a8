"""Fifty monitors for a working day: nothing grows, and what they show becomes true by itself.

`python tests/soak_monitors.py HOURS MINUTES` runs HOURS of a clock that is turned by hand, in this
process, then MINUTES of real time with kernels that are restarted and put to sleep. A kernel is a
process of its own (`--kernel`), which is told what to do and tells what its monitors show.
`tests/functional/test_soak_monitors.py` runs a small version.

In both the service goes away, refuses the key, and tasks change meanwhile. Once it is back, or the
key file has another key, every open monitor must show the truth within 15 s, nobody having touched
anything.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from scripted import RESET, ScriptedServer, ok, refusal
from waiting import wait_until

from inductiva_widgets import Task, TaskMonitor
from inductiva_widgets.api.config import ApiKey, load, write_key
from inductiva_widgets.api.sessions import Timeouts
from inductiva_widgets.backend import Backend
from inductiva_widgets.service.dispatch import WORKERS, service_of
from inductiva_widgets.watch import Watcher

HERE = Path(__file__).resolve()
MONITORS = 50
TASKS = 20
TRUE_WITHIN_S = 15.0
GROWTH_LIMIT_BYTES = 20_000_000
STATES = ("submitted", "started", "computation-started", "computation-ended")
IDS = [f"task{number:021d}" for number in range(TASKS)]
KEYS = ("first-key", "second-key")
REAL_WAIT_S = 120.0  # against hangs; the figures are told


class Service(ScriptedServer):
    """Twenty tasks that change, and a service that is well, away, or refuses all keys but one."""

    def __init__(self):
        super().__init__()
        self.states = dict.fromkeys(IDS, STATES[0])
        self.away = False
        self.key = KEYS[0]
        self.requests = 0
        self.route = self.answer

    def change(self, generator):
        """Another state for some tasks."""
        for task_id in generator.sample(IDS, 3):
            self.states[task_id] = generator.choice(STATES)

    def answer(self, asked):
        self.requests += 1
        self.asked.clear()  # eight hours of them would be the growth that is looked for
        if self.away:
            return RESET
        if asked.headers.get("X-API-Key") != self.key:
            return refusal(401, "this key is revoked")
        if asked.path.startswith("/tasks?"):
            return ok({"total_size": TASKS, "tasks": [self.task(one) for one in IDS]})
        return ok(self.task(asked.path.split("/")[2]))

    def task(self, task_id):
        return {
            "task_id": task_id,
            "id": task_id,
            "status": self.states[task_id],
            "is_terminated": False,
        }


@dataclass
class Size:
    """What a process has, with every monitor closed.

    The workers of views are not counted: up to four come as they are needed, and end soon after.
    """

    threads: int
    descriptors: int
    rss_bytes: int

    @classmethod
    def now(cls):
        gc.collect()
        process = psutil.Process()
        others = [t for t in threading.enumerate() if not t.name.startswith("inductiva-service")]
        assert threading.active_count() - len(others) <= WORKERS
        return cls(len(others), process.num_fds(), process.memory_info().rss)


@dataclass
class Report:
    """Figures of a run; `problems` is empty when all is well."""

    name: str
    rounds: int = 0
    requests: int = 0
    true_after_s: dict[str, float] = field(default_factory=dict)
    growth: str = ""
    problems: list[str] = field(default_factory=list)

    def compare(self, before, after):
        """Looks at what is left of a run."""
        grown = after.rss_bytes - before.rss_bytes
        self.growth = (
            f"threads {before.threads} → {after.threads}, descriptors {before.descriptors} → "
            f"{after.descriptors}, memory {grown / 1e6:+.1f} MB"
        )
        if after.threads > before.threads:
            self.problems.append("threads are left")
        if after.descriptors > before.descriptors + 2:  # a connection may be kept for later
            self.problems.append("descriptors are left")
        if grown > GROWTH_LIMIT_BYTES:
            self.problems.append("memory has grown")

    def true_after(self, what, seconds):
        worst = max(seconds, self.true_after_s.get(what, 0.0))
        self.true_after_s[what] = worst
        if worst > TRUE_WITHIN_S:
            self.problems.append(f"after {what} it took {worst:.1f} s to be true again")

    def __str__(self):
        took = ", ".join(f"{what} {s:.1f} s" for what, s in self.true_after_s.items())
        return (
            f"{self.name}: {self.rounds} rounds, {self.requests} requests; {self.growth};"
            f" true again after {took}; {'; '.join(self.problems) or 'all is well'}"
        )


# -- monitors ------------------------------------------------------------------------------------


class Desk:
    """The monitors of a kernel, opened, hidden, shown and closed as views do it."""

    def __init__(self, backend, seed):
        self.backend = backend
        self.generator = random.Random(seed)
        self.shown = {}

    def open(self):
        while len(self.shown) < MONITORS:
            number = len(self.shown)
            monitor = TaskMonitor(Task(IDS[number % TASKS], backend=self.backend))
            self.shown[monitor] = False
            self.show(monitor)

    def show(self, monitor, *, visible=True):
        """A view that nobody sees listens to nothing."""
        self.shown[monitor] = visible
        topic = f"task/{monitor.task_id}"
        kind = "subscribe" if visible else "unsubscribe"
        monitor._handle_custom_msg({"kind": kind, "topic": topic}, [])
        if visible:
            wait_until(lambda: topic in monitor._listeners, REAL_WAIT_S)

    def act(self):
        """Some are hidden or shown, some closed and opened anew."""
        for monitor in self.generator.sample([*self.shown], 5):
            self.show(monitor, visible=not self.shown[monitor])
        for monitor in self.generator.sample([*self.shown], 3):
            del self.shown[monitor]
            monitor.close()
        self.open()

    def all_shown(self):
        for monitor, visible in self.shown.items():
            if not visible:
                self.show(monitor)

    def statuses(self):
        return [(one.task_id, one.status) for one, visible in self.shown.items() if visible]

    def close(self):
        for monitor in self.shown:
            monitor.close()
        self.shown.clear()


def backend_of(url):
    """With the key of the key file."""
    settings = load(url=url, output_dir=tempfile.gettempdir())
    return Backend(settings, timeouts=Timeouts(connect_s=5, read_s=10))


# -- a clock that is turned by hand --------------------------------------------------------------


class ByHand(Watcher):
    """Rounds come when the soak makes them."""

    def _start(self):
        pass


class Day:
    """A working day of one kernel, in virtual time."""

    def __init__(self, service, report):
        self.service, self.report = service, report
        self.now_s = self.pause_s = 0.0
        self.generator = random.Random(7)
        write_key(ApiKey(KEYS[0]))
        self.backend = backend_of(self.service.url)
        self.backend.watcher = ByHand(self.backend.client, monotonic=lambda: self.now_s)
        self.desk = Desk(self.backend, 11)

    def end(self):
        self.desk.close()
        self.backend.close()
        service_of(self.backend).close()

    def round(self):
        self.report.rounds += 1
        self.pause_s = max(0.1, self.backend.watcher.poll_once())
        self.now_s += self.pause_s

    def run_until(self, end_s, *, acts=True):
        next_act_s = self.now_s
        while self.now_s < end_s:
            if self.now_s >= next_act_s:
                next_act_s = self.now_s + 60
                self.service.change(self.generator)
                if acts:
                    self.desk.act()
            self.round()

    def check_truth(self, what):
        """Rounds until all monitors show what is true; the time of this clock.

        The worst is taken: that the change came right after the last look.
        """
        self.service.change(self.generator)
        since = self.now_s - self.pause_s
        while any(self.service.states[i] != status for i, status in self.desk.statuses()):
            self.round()
            if self.now_s - since > 10 * TRUE_WITHIN_S:
                break
        self.report.true_after(what, self.now_s - since)

    def outage(self, seconds):
        self.desk.all_shown()
        self.service.away = True
        self.run_until(self.now_s + seconds, acts=False)
        self.service.away = False
        self.check_truth("an outage")

    def sleep(self, seconds):
        self.desk.all_shown()
        self.service.change(self.generator)
        self.now_s += seconds  # no round comes meanwhile
        self.check_truth("a sleep")

    def new_key(self):
        """The key is revoked, which is noticed once and not asked again; a new one is noticed."""
        self.desk.all_shown()
        self.service.key = KEYS[1]
        self.run_until(self.now_s + 60, acts=False)
        before = self.service.requests
        self.run_until(self.now_s + 600, acts=False)
        if self.service.requests != before:
            self.report.problems.append("a refused key is asked with again")
        write_key(ApiKey(KEYS[1]))
        self.check_truth("a new key")


def virtual(hours):
    """`hours` of a clock turned by hand; the service is away for an eighth of them."""
    report = Report(f"{hours:g} virtual hours")
    with contextlib.closing(Service()) as service:
        day = Day(service, report)
        day.desk.open()
        day.new_key()
        day.run_until(day.now_s + 1800)
        day.desk.close()
        before = Size.now()
        end_s = day.now_s + hours * 3600
        day.desk.open()
        for share in range(1, 5):
            day.run_until(end_s - hours * 3600 * (1 - share / 5))
            day.outage(hours * 3600 / 8 if share == 2 else 120)
            day.sleep(hours * 3600 / 16)
        day.run_until(end_s)
        day.desk.close()
        report.compare(before, Size.now())
        report.requests = service.requests
        day.end()
    return report


# -- real time -----------------------------------------------------------------------------------


def kernel(url):
    """A process with monitors: does what it is told, a word a line, and tells how it is."""
    backend = backend_of(url)
    desk = Desk(backend, 13)
    acts = {
        "open": desk.open,
        "act": desk.act,
        "show": desk.all_shown,
        "close": desk.close,
        "look": lambda: None,
    }
    for line in sys.stdin:
        acts[line.strip()]()
        told = {"statuses": desk.statuses()}
        if line.strip() == "close":
            threads = [t for t in threading.enumerate() if t.name == "inductiva-watch"]
            for thread in threads:
                thread.join(30)
            told |= vars(Size.now())
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


class Kernel:
    """A kernel from outside."""

    def __init__(self, url):
        words = [sys.executable, str(HERE), "--kernel", url]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen(words, text=True, **pipes)

    def tell(self, word):
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()
        return SimpleNamespace(**json.loads(self.process.stdout.readline()))

    def size(self):
        told = self.tell("close")
        return Size(told.threads, told.descriptors, told.rss_bytes)

    def kill(self):
        self.process.kill()
        self.process.wait(30)
        self.process.stdin.close()
        self.process.stdout.close()


class Morning:
    """Real time with kernels, one after another."""

    def __init__(self, service, report):
        self.service, self.report = service, report
        self.generator = random.Random(9)
        write_key(ApiKey(service.key))
        self.kernel = Kernel(service.url)

    def restart(self):
        """As a kernel that dies: nothing of it polls on."""
        self.kernel.kill()
        wait_until(lambda: self.is_quiet(1.5), REAL_WAIT_S)
        self.kernel = Kernel(self.service.url)
        self.kernel.tell("open")

    def is_quiet(self, seconds):
        before = self.service.requests
        time.sleep(seconds)
        return self.service.requests == before

    def check_truth(self, what):
        self.service.change(self.generator)
        since = time.monotonic()
        wait_until(lambda: self.is_true(self.kernel.tell("look").statuses), REAL_WAIT_S)
        self.report.true_after(what, time.monotonic() - since)

    def is_true(self, statuses):
        return all(self.service.states[i] == status for i, status in statuses)

    def outage(self, seconds):
        self.kernel.tell("show")
        self.service.away = True
        time.sleep(seconds)
        self.service.away = False
        self.check_truth("an outage")

    def sleep(self, seconds):
        """The machine sleeps: all clocks but the wall's stand still for the process."""
        self.kernel.tell("show")
        process = psutil.Process(self.kernel.process.pid)
        process.suspend()
        self.service.change(self.generator)
        time.sleep(seconds)
        process.resume()
        self.check_truth("a sleep")

    def new_key(self):
        """A revoked key is not asked with again; a new one in the key file is noticed."""
        self.kernel.tell("show")
        self.service.key = KEYS[1]
        wait_until(lambda: self.is_quiet(15), REAL_WAIT_S)
        write_key(ApiKey(KEYS[1]))
        self.check_truth("a new key")

    def acts(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.kernel.tell("act")
            self.service.change(self.generator)
            self.report.rounds += 1
            time.sleep(1)


def real(minutes):
    """`minutes` of real time; at least the waits that are looked for."""
    report = Report(f"{minutes:g} real minutes")
    seconds = minutes * 60
    with contextlib.closing(Service()) as service:
        morning = Morning(service, report)
        try:
            morning.kernel.tell("open")
            morning.new_key()
            morning.acts(seconds / 20)
            morning.outage(seconds / 10)
            morning.restart()
            morning.acts(seconds / 20)
            before = morning.kernel.size()
            morning.kernel.tell("open")
            for _ in range(3):
                morning.acts(seconds / 8)
                morning.sleep(seconds / 30)
                morning.outage(seconds / 30)
            after = morning.kernel.size()
            report.compare(before, after)
        finally:
            morning.kernel.kill()
        report.requests = service.requests
    return report


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("hours", type=float, nargs="?", default=8.0, help="of the virtual clock")
    parser.add_argument("minutes", type=float, nargs="?", default=10.0, help="of real time")
    parser.add_argument("--kernel", metavar="URL", help="for the soak itself")
    given = parser.parse_args()
    if given.kernel:
        kernel(given.kernel)
        return 0
    os.environ.pop("INDUCTIVA_API_KEY", None)
    is_bad = False
    for run, length in ((virtual, given.hours), (real, given.minutes)):
        since = time.monotonic()
        with tempfile.TemporaryDirectory() as home:  # of a user whose key file can be written
            os.environ["HOME"] = os.environ["USERPROFILE"] = home
            report = run(length)
        sys.stdout.write(f"{report} ({time.monotonic() - since:.0f} s)\n")
        sys.stdout.flush()
        is_bad |= bool(report.problems)
    return int(is_bad)


if __name__ == "__main__":
    sys.exit(main())
