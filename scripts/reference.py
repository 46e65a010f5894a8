"""Writes `docs/reference.md`: every public name, its signature and a line, from the docstrings."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING

import inductiva_widgets as iw
from inductiva_widgets import errors, history, local, log_progress, tasks
from inductiva_widgets.api.settings import Setting, Settings
from inductiva_widgets.live.lines import LiveLines
from inductiva_widgets.live.records import LastModified, LiveFile, LiveFiles
from inductiva_widgets.outputs.check import FolderReport
from inductiva_widgets.outputs.download import Download
from inductiva_widgets.outputs.files import FileInfo, OutputFile, OutputFiles, OutputInfo
from inductiva_widgets.outputs.rehearsal import DownloadPlan, PlannedFile
from inductiva_widgets.submit.plan import DryRun
from inductiva_widgets.task.callbacks import DoneCallback
from inductiva_widgets.task.facts import TaskFacts
from inductiva_widgets.task.files import TaskFiles
from inductiva_widgets.task.live import TaskLive
from inductiva_widgets.tasks.downloading import DownloadPlans, DownloadReport, TaskDownload
from inductiva_widgets.tasks.killing import KillReport, TaskKill

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reference.md"

HEAD = """\
<!-- Made by scripts/reference.py: change the docstrings, then run it. -->

# Reference

`import inductiva_widgets as iw`. Arguments after `*` are given by name. Types, units and the errors
that a call raises are in its docstring: `help(iw.Task.wait)`, or `iw.Task.wait?` in a notebook.
Whatever is not on this page may change without notice.
"""

# Classes that people make themselves; of all others only the name is shown.
MADE_BY_HAND = (iw.Task, iw.TaskMonitor, iw.TaskTable, log_progress.Pattern)

# What calls give back.
RESULTS = (
    *(OutputInfo, FileInfo, OutputFiles, OutputFile),
    *(Download, DownloadPlan, PlannedFile, FolderReport),
    *(DownloadReport, TaskDownload, DownloadPlans),
    *(LiveLines, LiveFiles, LiveFile, LastModified),
    *(DryRun, DoneCallback, tasks.KillOutcome, KillReport, TaskKill),
    *(log_progress.Progress, local.EngineInfo, local.EngineSettings, Settings, Setting),
)
FED_BY_THE_PACKAGE = {"feeders", "fed_by", "put", "finish"}  # methods of `LiveLines`


def page() -> str:
    """The page as it must be committed."""
    package = [name for name in iw.__all__ if not inspect.ismodule(getattr(iw, name))]
    parts = [
        HEAD,
        _section("The package", "`iw.…`", _functions(iw, package)),
        _section("Task", "`iw.Task(task_id)`", ""),
        _table("Wait, kill, repeat", _members(iw.Task)),
        _table("What is known of it", _members(TaskFacts)),
        _table("Its files", _members(TaskFiles)),
        _table("While it runs", _members(TaskLive)),
        _section("tasks", "`iw.tasks.…`", _functions(tasks, {*tasks.__all__, "list"})),
        _table("TaskList", _members(iw.TaskList)),
        _section("Views", "What a bare `task`, or a bare list of tasks, shows.", ""),
        _table("TaskMonitor", _members(iw.TaskMonitor)),
        _table("TaskTable", _members(iw.TaskTable)),
        _section("history", "`iw.history.…`", _functions(history, history.__all__)),
        _section(
            "log_progress",
            "`from inductiva_widgets import log_progress`",
            _functions(log_progress, log_progress.__all__),
        ),
        _table("Pattern", _members(log_progress.Pattern)),
        _section(
            "local", "`iw.local.…`, the engine on this machine", _functions(local, local.__all__)
        ),
        _section("What calls give back", "", _rows(_result(kind) for kind in RESULTS)),
        _section("Backend", _line(iw.Backend), _rows(_members(iw.Backend))),
        _section("Errors", "`iw.errors.…`; each is also an instance of its parent.", _tree()),
    ]
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


# -- parts of the page ----------------------------------------------------------------------------


def _section(title: str, words: str, content: str) -> str:
    return "\n\n".join(part for part in (f"## {title}", words, content) if part)


def _table(title: str, content: Iterable[tuple[str, str]]) -> str:
    return f"### {title}\n\n{_rows(content)}"


def _rows(content: Iterable[tuple[str, str]]) -> str:
    lines = (f"| `{_escaped(name)}` | {_escaped(words)} |" for name, words in content)
    return "\n".join(["| Name | What it is |", "|---|---|", *lines])


def _result(kind: type) -> tuple[str, str]:
    """A class that is given back: its line, and the names of what it has."""
    names = [name.split("(")[0] + "()" * ("(" in name) for name, _ in _members(kind)]
    has = ", ".join(f"`{name}`" for name in names)
    return kind.__name__, _line(kind) + (f" Has {has}." if has else "")


def _functions(module: ModuleType, names: Iterable[str]) -> str:
    found = [(name, getattr(module, name)) for name in sorted(names)]
    return _rows((_signature(name, value), _line(value)) for name, value in found)


def _tree(kind: type = errors.InductivaWidgetsError, depth: int = 0) -> str:
    """The errors below one, as a nested list."""
    also = [k.__name__ for k in kind.__bases__ if k.__module__ == "builtins" and k is not Exception]
    carried = ", ".join(f"`{name}`" for name in _attributes(kind))
    here = f"{'  ' * depth}* `{kind.__name__}`"
    here += f" (also `{also[0]}`)" if also else ""
    here += f": {_line(kind)}" + (f" Carries {carried}." if carried else "")
    below = [one for one in kind.__subclasses__() if one.__name__ in errors.__all__]
    return "\n".join([here, *(_tree(one, depth + 1) for one in below)])


# -- what docstrings and signatures say -----------------------------------------------------------


def _members(kind: type) -> list[tuple[str, str]]:
    """Attributes that the docstring names, then the class's own properties and methods."""
    found = {name: (name, words) for name, words in _attributes(kind).items()}
    for name, value in vars(kind).items():
        if name.startswith("_") or name in FED_BY_THE_PACKAGE:
            continue
        if isinstance(value, property):
            found[name] = (name, _line(value))
        elif callable(value):
            found[name] = (_signature(name, value), _line(value))
    return list(found.values())


def _attributes(kind: type) -> dict[str, str]:
    """What the section `Attributes:` of a class says, by name."""
    _, _, after = (inspect.getdoc(kind) or "").partition("Attributes:\n")
    block = re.split(r"\n(?=\S)", after, maxsplit=1)[0]
    entries = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", block, re.MULTILINE)
    return {name: " ".join(words.split()) for name, words in entries}


def _line(value: object) -> str:
    return " ".join((inspect.getdoc(value) or "").split("\n\n")[0].split())


def _signature(name: str, value: Callable[..., object]) -> str:
    """`wait(timeout=None, *, raise_on_failure=False) -> str`: no types but that of the answer."""
    if inspect.isclass(value) and value not in MADE_BY_HAND:
        return name
    known = inspect.signature(value)
    plain = [
        one.replace(annotation=inspect.Parameter.empty)
        for one in known.parameters.values()
        if one.name != "self"
    ]
    shown = known.replace(parameters=plain, return_annotation=inspect.Signature.empty)
    answer = known.return_annotation
    is_told = isinstance(answer, str) and answer not in ("None", "Any")
    return f"{name}{shown}" + (f" -> {answer}" if is_told else "")


def _escaped(words: str) -> str:
    return words.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
