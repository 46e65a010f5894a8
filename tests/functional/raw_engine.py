"""A real engine as a process of its own, spoken to with nothing but raw HTTP."""

from __future__ import annotations

import http.client
import io
import json
import os
import subprocess
import sys
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import requests
from waiting import wait_until

REPOSITORY = Path(__file__).resolve().parents[2]


def gone(process: psutil.Process) -> bool:
    """Whether a process has ended, though nobody may have collected it yet."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def zipped(files: dict[str, str | bytes], folder: str = "sim_dir/") -> bytes:
    """An input archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(folder + name, text)
    return buffer.getvalue()


def command(text: str, **more: Any) -> dict[str, Any]:
    return {"cmd": text, "prompts": [], "mpi_config": None, "env": {}, **more}


@dataclass
class RawEngine:
    """One engine, spoken to with nothing but `requests`."""

    url: str
    key_file: Path
    pid: int
    data_dir: Path
    process: subprocess.Popen[str] | None = None
    key: str = field(default="", repr=False)

    def __post_init__(self):
        self.key = self.key_file.read_text().strip()

    def call(self, method, path, /, **options):
        # One connection a call: nothing stays open when a test ends.
        headers = {"X-API-Key": self.key, **options.pop("headers", {})}
        return requests.request(method, self.url + path, timeout=10, headers=headers, **options)

    def get(self, path, /, **params):
        reply = self.call("GET", path, params=params)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def body(self, *commands, **more):
        listed = [command(one) if isinstance(one, str) else one for one in commands]
        return {
            "simulator": "arbitrary_commands",
            "simulator_name_alias": None,
            "resource_pool": "local",
            "container_image": "docker://inductiva/kutu:test",
            "extra_params": {"sim_dir": "sim_dir", "commands": listed},
            **more,
        }

    def create(self, *commands, **more):
        reply = self.call("POST", "/tasks/submit", json=self.body(*commands, **more))
        assert reply.status_code == 202, reply.text
        return reply.json()["id"]

    def link(self, operation, path):
        (url,) = self.get("/storage/signed-urls", operation=operation, paths=path)
        return url

    def put(self, path, content):
        reply = requests.put(self.link("upload", path), data=content, timeout=10)
        assert reply.status_code == 200, reply.text
        return reply

    def submit(self, *commands, files=None, **more):
        task_id = self.create(*commands, **more)
        self.upload_inputs(task_id, files or {})
        return task_id

    def upload_inputs(self, task_id, files):
        self.put(self.get(f"/tasks/{task_id}")["storage_input_path"], zipped(files))
        assert self.call("POST", f"/tasks/{task_id}/input_uploaded").status_code == 200

    def status(self, task_id):
        return self.get(f"/tasks/{task_id}/status")

    def reach(self, task_id, status):
        wait_until(lambda: self.status(task_id)["status"] == status)

    def finish(self, task_id):
        wait_until(lambda: self.status(task_id)["is_terminated"])
        return self.get(f"/tasks/{task_id}")

    def run(self, *commands, **more):
        return self.finish(self.submit(*commands, **more))

    def archive(self, task_id):
        path = self.get(f"/tasks/{task_id}")["storage_output_path"]
        reply = requests.get(self.link("download", path), timeout=10)
        assert reply.status_code == 200, reply.text
        return zipfile.ZipFile(io.BytesIO(reply.content))

    def output(self, task_id, name="stdout.txt"):
        return self.archive(task_id).read(f"artifacts/{name}").decode()

    def work_folder(self, task_id):
        return self.data_dir / "work" / task_id / "run" / "sim_dir"

    def close(self):
        if self.process is not None:
            self.process.terminate()
            self.process.communicate(timeout=15)


def ask(engine, method, path, headers=None, body=None):
    """A request with exactly these headers."""
    address = urlsplit(engine.url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=10)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in {"Host": address.netloc, **(headers or {})}.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        reply = connection.getresponse()
        text = reply.read()
        is_json = reply.getheader("content-type") == "application/json"
        return reply.status, json.loads(text or b"{}") if is_json else text
    finally:
        connection.close()


def launch(folder: Path, *options: str, **environment: str) -> RawEngine:
    """Starts an engine in the foreground of a child process and reads its first line."""
    log = folder.parent / f"{folder.name}.log"
    with log.open("ab") as errors:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "inductiva_widgets.local",
                "--json",
                "--data-dir",
                folder,
                *options,
            ],
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), **environment},
            text=True,
        )
    line = process.stdout.readline()
    if not line:
        process.communicate(timeout=10)
        raise AssertionError(log.read_text())
    said = json.loads(line)
    return RawEngine(
        said["url"], Path(said["key_file"]), said["pid"], Path(said["data_dir"]), process
    )
