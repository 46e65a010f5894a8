"""One engine and one run of the official client for all tests of this folder."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "functional")]  # the engine's fixtures live there

import official_venv  # noqa: E402 - found by the line above, as are the next three
from raw_engine import launch  # noqa: E402
from relay import Relay  # noqa: E402
from support import backend_at  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from raw_engine import RawEngine

    from inductiva_widgets.backend import Backend

AS_STARTED = dict(os.environ)  # before the guards: the package index may need the user's settings
DEAD_PROXY = "http://127.0.0.1:9"
RUN_LIMIT_S = 100


@dataclass
class Official:
    """The official client, unmodified: its own environment, its own home, one engine."""

    url: str
    key: str
    home: Path

    def environment(self, **more: str) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "TMPDIR": str(self.home),
            "TZ": "UTC",
            "COLUMNS": "200",
            "PYTHONPATH": str(HERE / "loopback_only"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HTTPS_PROXY": DEAD_PROXY,
            "https_proxy": DEAD_PROXY,
            "NO_PROXY": "127.0.0.1,localhost",
            "INDUCTIVA_API_URL": self.url,
            "INDUCTIVA_MACHINES_CATALOGUE_API_URL": self.url,
            "INDUCTIVA_TURN_SERVER_URL": "nowhere.invalid:3478",
            "INDUCTIVA_API_KEY": self.key,
            **more,
        }

    def python(self, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        return self._run([official_venv.PYTHON, *arguments], environment, "")

    def command(self, *words: str, said: str = "", **environment: str) -> Any:
        """Its command line."""
        return self._run([official_venv.PROGRAM, *words], environment, said)

    def commands(self, *lines: tuple[str, ...]) -> list[Any]:
        """Several command lines, two at a time: each costs its import."""
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(lambda words: self.command(*words), lines))

    def start(self, *words: str, **environment: str) -> Any:
        """Its command line, without waiting for the end."""
        return subprocess.Popen(
            [official_venv.PROGRAM, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.home,
            env=self.environment(**environment),
        )

    def _run(self, command, environment, said):
        return subprocess.run(
            list(map(str, command)),
            input=said,
            capture_output=True,
            text=True,
            check=False,
            cwd=self.home,
            env=self.environment(**environment),
            timeout=RUN_LIMIT_S,
        )


@dataclass
class OfficialRun:
    """What one run of `official_steps.py` found, step by step."""

    steps: dict[str, Any]

    def __getitem__(self, name: str) -> Any:
        step = self.steps[name]
        assert step["error"] is None, step["error"]
        return step["value"]

    def printed(self, name: str) -> str:
        """What the client wrote during a step, by `print` or by its log."""
        return self.steps[name]["printed"]


@pytest.fixture(scope="session")
def conformance_engine(tmp_path_factory) -> Iterator[RawEngine]:
    """One slot: a running task makes the next one wait."""
    folder = tmp_path_factory.mktemp("conformance") / "data"
    with contextlib.closing(
        launch(folder, "--port", "0", "--slots", "1", "--kill-grace", "0.5")
    ) as started:
        yield started


@pytest.fixture(scope="session")
def official_installed() -> None:
    official_venv.ensure(AS_STARTED)


@pytest.fixture(scope="session")
def recorded(conformance_engine) -> Iterator[Relay]:
    """A relay that changes nothing and notes what the official client sends."""
    with contextlib.closing(Relay(conformance_engine.url)) as relay:
        yield relay


@pytest.fixture(scope="session")
def official(official_installed, conformance_engine, recorded, tmp_path_factory) -> Official:
    return Official(recorded.url, conformance_engine.key, tmp_path_factory.mktemp("official"))


@pytest.fixture(scope="session")
def official_run(official) -> OfficialRun:
    """All steps, in one process of the official client."""
    report = official.home / "report.json"
    done = official.python(HERE / "official_steps.py", report)
    assert done.returncode == 0, done.stderr
    return OfficialRun(json.loads(report.read_text()))


@pytest.fixture
def backend(conformance_engine, tmp_path) -> Iterator[Backend]:
    """Ours, on the same engine."""
    engine = conformance_engine
    with contextlib.closing(
        backend_at(engine.url, engine.key, tmp_path / "out", is_local=True)
    ) as made:
        yield made


@pytest.fixture
def relayed(conformance_engine, tmp_path) -> Iterator[Callable[..., tuple[Relay, Backend]]]:
    """Ours behind a relay that notes what is sent and may change what the engine says."""
    with contextlib.ExitStack() as stack:

        def make(
            *, engine: RawEngine = conformance_engine, **changes: Any
        ) -> tuple[Relay, Backend]:
            relay = stack.enter_context(contextlib.closing(Relay(engine.url, **changes)))
            made = backend_at(relay.url, engine.key, tmp_path / "relayed", is_local=True)
            return relay, stack.enter_context(contextlib.closing(made))

        yield make
