"""Details of a task: what is asked for, how often, and what never reaches a page."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace

import pytest

from inductiva_widgets.api.models import (
    CostRange,
    Fee,
    Machine,
    MachineGroup,
    Metrics,
    TaskRecord,
)
from inductiva_widgets.api.run_times import RunTimes
from inductiva_widgets.errors import NotFoundError, ServerError, UserInputError
from inductiva_widgets.service.details import DetailCommands

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.timezone.utc)
TASK = {"task_id": "t1"}


def record(status="computation-started", **more):
    known = {"task_id": "t1", "simulator": "swash", "machine_group_name": "g1", **more}
    return TaskRecord(status=status, is_terminated=status == "success", **known)


class FakeBackend:
    """One task and one group; notes what is asked for."""

    is_local = False

    def __init__(self, task, group=None):
        self.task, self.group, self.asked = task, group, []
        self.known = True
        self.watcher = self
        self.client = SimpleNamespace(
            clock=SimpleNamespace(now=lambda: NOW),
            run_times=RunTimes(),
            machine_group=self._machine_group,
            price_per_hour=lambda group: group.cost_per_hour and group.cost_per_hour.max,
        )

    def latest(self, task_id):
        return self._seen(task_id) if self.known else None

    def refresh(self, task_id, *, retry=True):
        self.asked.append(f"task {task_id}")
        self.known = True
        return self._seen(task_id)

    def _seen(self, task_id):
        final = self.task.is_terminated
        return SimpleNamespace(task_id=task_id, record=self.task, is_final=final)

    def _machine_group(self, name):
        self.asked.append(f"group {name}")
        if isinstance(self.group, Exception):
            raise self.group
        return self.group


class Clock:
    now_s = 1000.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


def commands_of(*lines):
    return {"commands": [{"cmd": line} for line in lines]}


# -- what is asked for -------------------------------------------------------------------------


def test_what_is_known_is_told_without_asking_for_the_task(clock):
    backend = FakeBackend(record(machine_group_name=None))

    DetailCommands(backend, clock).details(TASK)

    assert backend.asked == []


def test_an_unknown_task_is_asked_for_once(clock):
    backend = FakeBackend(record(machine_group_name=None))
    backend.known = False
    commands = DetailCommands(backend, clock)

    commands.details(TASK)
    commands.details(TASK)

    assert backend.asked == ["task t1"]


def test_any_number_of_views_refreshes_a_running_task_once_in_a_while(clock):
    running = record(machine_group_name=None, extra_params=commands_of("mesh", "solve"))
    backend = FakeBackend(running)
    commands = DetailCommands(backend, clock)

    told = [commands.details({**TASK, "refresh": True}) for _ in range(50)]
    assert backend.asked == ["task t1"]
    clock.now_s += told[0]["refresh_in_s"]
    commands.details({**TASK, "refresh": True})

    assert backend.asked == ["task t1"] * 2


def test_an_ended_task_is_never_asked_for_again(clock):
    backend = FakeBackend(record("success"))

    told = DetailCommands(backend, clock).details({**TASK, "refresh": True})

    assert backend.asked == []
    assert told["refresh_in_s"] is None


@pytest.mark.parametrize(
    ("status", "lines", "asks_again"),
    [
        ("computation-started", ("mesh", "solve"), True),
        ("computation-started", ("solve",), False),
        ("computation-started", (), True),
        ("submitted", ("mesh", "solve"), False),
    ],
)
def test_only_commands_that_may_follow_are_worth_asking_again(clock, status, lines, asks_again):
    task = record(status, machine_group_name=None, extra_params=commands_of(*lines))

    told = DetailCommands(FakeBackend(task), clock).details(TASK)

    assert (told["refresh_in_s"] is not None) is asks_again


@pytest.mark.parametrize("nonsense", [{}, {"task_id": 7}, {"task_id": "../x"}])
@pytest.mark.parametrize("method", ["details", "failure"])
def test_what_is_no_task_id_is_refused(clock, method, nonsense):
    with pytest.raises(UserInputError):
        getattr(DetailCommands(FakeBackend(record()), clock), method)(nonsense)


# -- price and machine -------------------------------------------------------------------------


def group(**more):
    known = {"id": "7", "name": "g1", "machine_type": "c2-standard-4", "max_vms": 1, **more}
    return MachineGroup(cost_per_hour=CostRange(min=0.5, max=0.55), **known)


def test_the_group_is_asked_for_once_for_all_views(clock):
    backend = FakeBackend(record("submitted"), group())
    commands = DetailCommands(backend, clock)

    told = [commands.details(TASK) for _ in range(3)]

    assert backend.asked == ["group g1"]
    assert told[2]["cost_per_hour"] == {"amount": 0.55, "currency": "USD"}
    assert told[2]["machine_type"] == "c2-standard-4"


@pytest.mark.parametrize(
    ("machines", "hosts", "price"), [(1, 1, 0.55), (5, 1, 0.11), (4, 4, 0.55), (4, 2, 0.275)]
)
def test_a_task_pays_for_its_own_machines(clock, machines, hosts, price):
    task = record(executer=Machine(n_mpi_hosts=hosts))

    told = DetailCommands(FakeBackend(task, group(max_vms=machines)), clock).details(TASK)

    assert told["cost_per_hour"]["amount"] == pytest.approx(price)


@pytest.mark.parametrize("fault", [NotFoundError("no such group"), ServerError("busy")])
def test_a_group_that_cannot_be_asked_for_is_left_out_and_not_asked_again(clock, fault):
    backend = FakeBackend(record(), fault)
    commands = DetailCommands(backend, clock)

    assert commands.details(TASK)["cost_per_hour"] is None
    commands.details(TASK)

    assert backend.asked == ["group g1"]


def test_no_price_is_asked_for_of_ended_tasks_and_of_one_s_own_machine(clock):
    ended = FakeBackend(record("success"), group())
    local = FakeBackend(record(), group())
    local.is_local = True

    assert DetailCommands(ended, clock).details(TASK)["cost_per_hour"] is None
    assert DetailCommands(local, clock).details(TASK)["cost_per_hour"] is None
    assert ended.asked == local.asked == []


def test_a_fee_is_told_when_it_was_charged_in_a_named_currency(clock):
    def fee(**more):
        task = record("success", orchestration_fee=Fee(**more))
        return DetailCommands(FakeBackend(task), clock).details(TASK)["fee"]

    assert fee(amount=0.01, charged=True, currency="USD") == {"amount": 0.01, "currency": "USD"}
    assert fee(amount=0.01, charged=False, currency="USD") is None
    assert fee(amount=0.01, charged=True) is None
    assert fee(charged=True, currency="USD") is None


# -- hostile words -----------------------------------------------------------------------------


def test_words_from_elsewhere_are_harmless_and_short(clock):
    evil = "\x1b[2J\u202e<script>" + "x" * 2000
    task = record(
        "success",
        container_image=evil,
        storage_region=evil,
        task_metadata={evil: evil},
        input_resources=[evil],
        extra_params={"commands": [{"cmd": evil}, {"cmd": 7}, "text", None]},
        executer=Machine(vm_type=evil, vm_name=evil, host_type=evil),
    )

    told = DetailCommands(FakeBackend(task), clock).details(TASK)

    texts = [*told["metadata"], *told["metadata"].values(), *told["commands"], *told["input_files"]]
    texts += [told["container_image"], told["region"], *told["machine"].values()]
    for text in texts:
        if isinstance(text, str):
            assert text.isprintable()
            assert len(text) <= 500
    assert len(told["commands"]) == 1


@pytest.mark.parametrize("odd", [None, 7, "blockMesh", {"cmd": "x"}, [None, 7, []]])
def test_commands_of_any_other_form_are_none(clock, odd):
    task = record("success", extra_params={"commands": odd})

    assert DetailCommands(FakeBackend(task), clock).details(TASK)["commands"] == []


# -- usual times -------------------------------------------------------------------------------


def run(name, seconds, machine="m1", status="success", simulator="swash"):
    return TaskRecord(
        task_id=name,
        status=status,
        simulator=simulator,
        executer=Machine(vm_type=machine),
        metrics=Metrics(computation_seconds=seconds),
    )


def test_the_usual_time_is_the_median_of_the_successful_runs():
    times = RunTimes()
    times.learn([run("a", 10.0), run("b", 20.0), run("c", 900.0), run("d", 1.0, status="failed")])

    assert times.usual("swash", "m1") == 20.0


def test_few_runs_other_machines_and_unknown_ones_are_not_usual():
    times = RunTimes()
    times.learn([run("a", 10.0), run("b", 20.0), run("c", 30.0, machine="m2")])
    times.learn([run("d", None), run("e", -1.0), run("f", 10.0, simulator=None)])

    assert times.usual("swash", "m1") is None
    assert times.usual("swash", "m2") is None
    assert times.usual(None, "m1") is None
    assert times.usual("swash", None) is None


def test_a_run_that_is_listed_again_counts_once():
    times = RunTimes()
    for _ in range(5):
        times.learn([run("a", 10.0), run("b", 20.0)])

    assert times.usual("swash", "m1") is None


def test_the_newest_runs_are_kept():
    times = RunTimes()
    times.learn(
        [run(f"new{i}", 9.0) for i in range(100)] + [run(f"old{i}", 1.0) for i in range(300)]
    )
    assert times.usual("swash", "m1") == 9.0
    times.learn([run(f"newer{i}", 8.0) for i in range(100)])
    assert times.usual("swash", "m1") == 8.0
