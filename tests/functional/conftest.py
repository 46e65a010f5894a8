"""Engines for tests: one shared, and as many with own options as a test wants."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from raw_engine import RawEngine, launch
from support import backend_at

from inductiva_widgets.service.dispatch import Service
from inductiva_widgets.task import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="session")
def engine(tmp_path_factory):
    """One engine for every test that does not need options of its own: two slots, short grace."""
    folder = tmp_path_factory.mktemp("engine") / "data"
    with contextlib.closing(
        launch(folder, "--port", "0", "--slots", "2", "--kill-grace", "0.5")
    ) as started:
        yield started


@pytest.fixture
def start_engine(tmp_path) -> Iterator[Callable[..., RawEngine]]:
    """Starts engines with own options; all are stopped at the end."""
    with contextlib.ExitStack() as stack:

        def start(*options, folder=tmp_path / "data", **environment):
            started = launch(folder, "--port", "0", *options, **environment)
            stack.callback(started.close)
            return started

        yield start


@pytest.fixture(scope="module")
def finished(engine):
    """A task that has ended, with nine files."""
    script = "for i in range(9):\n    open(f'file_{i}.txt', 'w').write('x' * i)\n"
    return engine.run("python make.py", files={"make.py": script})["task_id"]


@pytest.fixture
def running(engine):
    """A task that runs until somebody kills it."""
    task_id = engine.submit("sleep 60")
    engine.reach(task_id, "computation-started")
    yield task_id
    engine.call("POST", f"/tasks/{task_id}/kill")
    engine.finish(task_id)


@pytest.fixture
def waiting(engine, backend):
    """A task whose inputs have not come."""
    task = Task(engine.create("true"), backend=backend)
    yield task
    engine.call("POST", f"/tasks/{task.id}/kill")


@pytest.fixture
def service(engine, tmp_path):
    """What views call, of the shared engine; downloads go below the test's own folder."""
    backend = backend_at(engine.url, engine.key, tmp_path / "downloads", is_local=True)
    with contextlib.closing(backend), contextlib.closing(Service(backend)) as made:
        yield made
