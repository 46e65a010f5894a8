"""Run by the official client's own Python: every call once, what came out of it as JSON.

    python official_steps.py REPORT

A step that fails is reported and does not stop the others.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import enum
import io
import json
import sys
import threading
import time
import traceback
import warnings
from pathlib import Path

RUN = """
import pathlib, time
pathlib.Path("vtk").mkdir()
for number in range(3):
    pathlib.Path(f"vtk/part_{number}.vtk").write_text("x" * 1000)
pathlib.Path("result.txt").write_text("42")
pathlib.Path("empty.txt").touch()
print("working", flush=True)
for _ in range(600):  # until it is told to end, however slow the machine is
    if pathlib.Path(GATE).exists():
        break
    time.sleep(0.1)
print("done")
"""
GATE = Path("gate").absolute()
LONG = "import time; print('long', flush=True); time.sleep(300)"


class Switch(io.TextIOBase):
    """Stands for stdout and stderr: what is written goes to the step that is running."""

    def __init__(self):
        self.target = io.StringIO()

    def write(self, text):
        return self.target.write(text)

    def flush(self):
        pass

    def take(self):
        text, self.target = self.target.getvalue(), io.StringIO()
        return text


printed = sys.stdout = sys.stderr = Switch()
report = {}
memory = {}


def plain(value):
    """Anything the client answers, as JSON holds it."""
    if isinstance(value, enum.Enum):
        found = value.value
    elif value is None or isinstance(value, (bool, int, float, str)):
        found = value
    elif isinstance(value, dt.datetime):
        found = value.isoformat()
    elif isinstance(value, Path):
        found = str(value)
    elif isinstance(value, dict):
        found = {str(plain(key)): plain(item) for key, item in value.items()}
    elif isinstance(value, (list, tuple, set)):
        found = [plain(item) for item in value]
    elif hasattr(value, "to_dict"):
        found = plain(value.to_dict())
    else:
        found = {name: plain(item) for name, item in vars(value).items() if name[0] != "_"}
    return found


def step(function):
    began = time.monotonic()
    value = error = None
    try:
        value = plain(function())
    except BaseException:  # noqa: BLE001 - whatever it is, it is this step's result
        error = traceback.format_exc()
    report[function.__name__] = {
        "value": value,
        "error": error,
        "printed": printed.take(),
        "seconds": time.monotonic() - began,
    }
    return function


def tree(folder):
    return {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file()
    }


def inputs(name, **files):
    folder = Path(name)
    folder.mkdir()
    for file, text in files.items():
        (folder / file.replace("__", ".")).write_text(text)
    return str(folder)


def raised(function, *arguments, **named):
    """Class of the error that a call must raise, and the HTTP status it carries."""
    try:
        function(*arguments, **named)
    except Exception as error:  # noqa: BLE001 - its class is the answer
        return [type(error).__name__, getattr(error, "status", None)]
    return None


@step
def imported_with_banner():
    global inductiva  # noqa: PLW0603 - the import is the thing under test
    import inductiva  # noqa: TID251 - this program is the official client's own

    return inductiva.__version__


# -- submitting -------------------------------------------------------------------------------


@step
def group():
    memory["group"] = found = inductiva.resources.machine_groups.get_by_name("local")
    return {"id": found.id, "name": found.name, "started": found.started, "text": str(found)}


@step
def submit_custom_image():
    image = inductiva.simulators.CustomImage(container_image="docker://inductiva/kutu:test")
    memory["done"] = image.run(
        input_dir=inputs(
            "in-done", run__py=RUN.replace("GATE", repr(str(GATE))), notes__txt="one\r\ntwo\r\n"
        ),
        commands=["python run.py"],
        on=memory["group"],
        project="conformance",
        time_to_live="10m",
    )
    return memory["done"].id


@step
def submit_splishsplash():
    memory["failed"] = inductiva.simulators.SplishSplash().run(
        input_dir=inputs("in-failed", config__json="{}"),
        sim_config_filename="config.json",
        on=memory["group"],
    )
    return memory["failed"].id


@step
def submit_command_with_mpi():
    config = inductiva.commands.MPIConfig("4.1.6", np=1, use_hwthread_cpus=True)
    command = inductiva.commands.Command("python --version", "y", "n", mpi_config=config)
    image = inductiva.simulators.CustomImage(container_image="docker://inductiva/kutu:test")
    memory["queued"] = image.run(
        input_dir=inputs("in-queued", a__txt="a"),
        commands=[command],
        on=memory["group"],
        storage_dir="parent",
    )
    return memory["queued"].id


# -- waiting and ending -----------------------------------------------------------------------


@step
def wait_for_status():
    return memory["done"].wait_for_status("computation-started")


@step
def getters_while_running():
    task = memory["done"]
    return {
        "is_running": task.is_running(),
        "is_terminal": task.is_terminal(),
        "computation": task.get_computation_time(),
        "total": task.get_total_time(),
        "summary": task.summary,
    }


@step
def no_outputs_yet():
    return {
        "info": raised(memory["done"].get_output_info),
        "download": raised(memory["done"].download_outputs),
    }


@step
def position_in_queue():
    return [memory["failed"].get_position_in_queue(), memory["queued"].get_position_in_queue()]


@step
def kill_queued():
    return memory["queued"].kill(wait_timeout=5)


@step
def wait_done():
    opener = threading.Timer(1.2, GATE.touch)
    opener.start()
    status = memory["done"].wait()
    opener.join()
    return status


@step
def wait_failed():
    return memory["failed"].wait()


@step
def kill_running():
    image = inductiva.simulators.CustomImage(container_image="docker://inductiva/kutu:test")
    memory["killed"] = image.run(
        input_dir=inputs("in-killed", run__py=LONG),
        commands=["python run.py"],
        on=memory["group"],
    )
    memory["killed"].wait_for_status("computation-started", silent_mode=True)
    return memory["killed"].kill(wait_timeout=20)


@step
def kill_finished():
    return memory["done"].kill()


@step
def kill_without_waiting():
    return memory["done"].kill(wait_timeout=None)


# -- looking ----------------------------------------------------------------------------------


def getters(task):
    return {
        "id": task.id,
        "get_status": task.get_status(),
        "is_running": task.is_running(),
        "is_failed": task.is_failed(),
        "is_terminal": task.is_terminal(),
        "get_position_in_queue": inductiva.tasks.Task(task.id).get_position_in_queue(),
        "get_machine_type": task.get_machine_type(),
        "get_simulator_name": task.get_simulator_name(),
        "get_storage_path": task.get_storage_path(),
        "get_computation_time": task.get_computation_time(),
        "get_total_time": task.get_total_time(),
        "get_metadata": task.get_metadata(),
        "info": task.info.to_dict(),
        "get_info": task.get_info().to_dict(),
        "get_info.is_terminal": task.get_info().is_terminal,
    }


@step
def looks():
    return {
        kind: getters(inductiva.tasks.Task(memory[kind].id))
        for kind in ("done", "failed", "killed", "queued")
    }


@step
def models_of_the_list():
    """The list is parsed into strict models; what they hold afterwards."""
    return {task.id: task.info.to_dict() for task in inductiva.tasks.get_all()}


@step
def lists():
    tasks = inductiva.tasks
    return {
        "get": [task.id for task in tasks.get(last_n=2)],
        "get_default": [task.id for task in tasks.get()],
        "get_status": [task.id for task in tasks.get(last_n=5, status="killed")],
        "get_project": [task.id for task in tasks.get(last_n=5, project="conformance")],
        "get_no_project": [task.id for task in tasks.get(last_n=5, project="nowhere")],
        "get_tasks": [task.id for task in tasks.get_tasks()],
        "get_tasks_all": [task.id for task in tasks.get_tasks(last_n=0)],
        "get_all": [task.id for task in tasks.get_all()],
        "to_dict": tasks.to_dict(tasks.get_all()),
    }


@step
def print_summary():
    memory["done"].print_summary()


@step
def unknown_task():
    task = inductiva.tasks.Task("0" * 25)
    return {
        "get_status": raised(task.get_status),
        "get_info": raised(task.get_info),
        "kill": raised(task._api.kill_task, task_id=task.id),
    }


# -- outputs ----------------------------------------------------------------------------------


@step
def get_output_info():
    found = memory["done"].get_output_info()
    print(found)  # noqa: T201 - its print-out is looked at
    return {
        "total_size_bytes": found.total_size_bytes,
        "total_compressed_size_bytes": found.total_compressed_size_bytes,
        "n_files": found.n_files,
        "files": found.files,
    }


@step
def download_all_outputs():
    folder = memory["done"].download_outputs(output_dir="all")
    return {"folder": folder, "files": tree(folder)}


@step
def download_to_the_usual_place():
    folder = memory["failed"].download_outputs()
    return {"folder": folder, "files": tree(folder)}


@step
def download_some_outputs():
    names = ["result.txt", "vtk/part_1.vtk", "empty.txt", "no-such-file.txt"]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        folder = memory["done"].download_outputs(filenames=names, output_dir="some")
    return {"files": tree(folder), "warnings": [str(one.message) for one in caught]}


@step
def download_the_archive():
    folder = memory["done"].download_outputs(output_dir="archive", uncompress=False)
    return tree(folder)


@step
def download_all_inputs():
    folder = memory["done"].download_inputs()
    return {"folder": folder, "files": tree(folder)}


@step
def download_some_inputs():
    return tree(memory["done"].download_inputs(filenames=["run.py"], input_dir="some-in"))


@step
def urls():
    task = memory["done"]
    return [task.get_output_url(), task.get_input_url()]


# -- metadata, storage, projects, account -----------------------------------------------------


@step
def metadata():
    task = memory["done"]
    before = task.get_metadata()
    task.set_metadata({"study": "one", "grüße": "ü"})
    first = task.get_metadata()
    task.set_metadata({"study": "two"})
    return [before, first, task.get_metadata()]


@step
def storage_listing():
    storage = inductiva.storage
    return {
        "root": storage.listdir("/", max_results=None),
        "by_size": storage.listdir("/", order_by="size", sort_order="asc", print_results=False),
        "two": storage.listdir("/", max_results=2, print_results=False),
        "task": storage.listdir(memory["done"].id, print_results=False),
        "all": storage.listdir("/", max_results=None, recursive=True, print_results=False),
    }


@step
def storage_size():
    return inductiva.storage.get_space_used()


@step
def storage_files():
    storage = inductiva.storage
    Path("mine.txt").write_text("mine")
    storage.upload("mine.txt", "shelf")
    storage.copy("shelf/mine.txt", "shelf/copy.txt")
    listed = [one["name"] for one in storage.listdir("shelf", print_results=False)]
    storage.download("shelf/copy.txt", local_dir="fetched")
    storage.download(f"{memory['done'].id}/output.zip", local_dir="unpacked")
    storage.download("shelf/", local_dir="folder")
    storage.remove("shelf/copy.txt")
    left = [one["name"] for one in storage.listdir("shelf", print_results=False)]
    storage.remove("shelf")
    return {
        "listed": listed,
        "fetched": tree("fetched"),
        "unpacked": tree("unpacked"),
        "folder": tree("folder"),
        "left": left,
    }


@step
def storage_from_url():
    storage = inductiva.storage
    (url,) = storage.get_signed_urls([f"{memory['done'].id}/input.zip"], "download")
    storage.upload_from_url(url, "from-url", "again.zip")
    found = storage.listdir("from-url", print_results=False)
    storage.remove("from-url")
    return {"found": found, "refused": raised(storage.upload_from_url, "file:///etc/passwd", "x")}


@step
def zip_contents():
    storage = inductiva.storage
    path = memory["done"].info.storage_output_path
    return {
        "root": storage.get_zip_contents(path),
        "all": storage.get_zip_contents(path, "artifacts", recursive=True),
        "range": storage.storage.get_file_range(path, "artifacts/vtk", "part_1.vtk"),
    }


@step
def projects():
    projects = inductiva.projects
    mine = projects.Project("by-hand")
    mine.add_task(memory["failed"])
    again = projects.Project("by-hand")
    found = {
        "names": [project.name for project in projects.get_projects()],
        "num_tasks": again.num_tasks,
        "by_status": again.task_by_status,
        "cost": again.total_estimated_cost,
        "created_at": again.created_at,
        "tasks": [task.id for task in again.get_tasks()],
        "text": str(again),
    }
    again.wait()
    again.download_outputs("of-project")
    found["downloaded"] = sorted(path.name for path in Path("of-project").iterdir())
    again.delete()
    found["after"] = [project.name for project in projects.get_projects()]
    found["moved_to"] = memory["failed"].get_info().project
    return found


@step
def account():
    users = inductiva.users
    today = dt.datetime.now(dt.timezone.utc)
    return {
        "info": users.get_info(),
        "quotas": users.get_quotas(),
        "costs": users.get_costs(today.year, today.month),
        "fees": inductiva.users.methods.get_fees(),
    }


@step
def simulators():
    return inductiva.simulators.methods.list_available_images()


@step
def machine_groups():
    return [found.name for found in inductiva.resources.machine_groups.get()]


@step
def estimated_price():
    estimate = inductiva.resources.estimate_machine_cost
    return [raised(estimate, "c2-standard-4"), estimate("n/a")]


@step
def remove_remote_files():
    image = inductiva.simulators.CustomImage(container_image="docker://inductiva/kutu:test")
    task = image.run(
        input_dir=inputs("in-gone", a__txt="a"), commands=["python --version"], on=memory["group"]
    )
    task.wait(silent_mode=True, download_std_on_completion=False)
    return {
        "id": task.id,
        "first": task.remove_remote_files(),
        "again": task.remove_remote_files(),
        "info": raised(task.get_output_info),
    }


@step
def public_names():
    """What there is to call, so that the table of methods can be checked for gaps."""

    def names(thing):
        return sorted(name for name in dir(thing) if name[0] != "_")

    return {
        "Task": names(inductiva.tasks.Task),
        "tasks": [
            name
            for name in names(inductiva.tasks.methods)
            if getattr(getattr(inductiva.tasks.methods, name), "__module__", "")
            == "inductiva.tasks.methods"
        ],
        "TaskOutputInfo": [
            *inductiva.tasks.output_info.TaskOutputInfo.__dataclass_fields__,
            *names(inductiva.tasks.output_info.TaskOutputInfo),
        ],
    }


report["ids"] = {
    "value": {kind: task.id for kind, task in memory.items() if kind != "group"},
    "error": None,
    "printed": "",
    "seconds": 0,
}
with contextlib.closing(Path(sys.argv[1]).open("w")) as file:
    json.dump(report, file)
