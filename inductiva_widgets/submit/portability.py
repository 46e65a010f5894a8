"""Parts of a task that work on this machine only."""

from __future__ import annotations

import ntpath
import posixpath
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inductiva_widgets.formats import safe_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

__all__ = ["local_only"]

# Places that an image has as well, though maybe with other contents.
_EVERYWHERE = ("/bin/", "/dev/", "/etc/", "/lib/", "/proc/", "/sbin/", "/tmp/", "/usr/")  # noqa: S108 - compared, not used
_INTERPRETER = re.compile(r"(python|pypy|perl|ruby|node|julia|Rscript|bash|sh)[\d.]*(\.exe)?")
_ENVIRONMENT = re.compile(r"[/\\](\.?v?env|conda|miniconda3?|envs)[/\\]", re.IGNORECASE)


def local_only(commands: Sequence[Mapping[str, Any]]) -> list[str]:
    """A sentence for each part of the commands that a remote machine will not have.

    Args:
        commands: Those of a submission's `extra_params`.
    """
    found: dict[str, None] = {}
    for command in commands:
        words = _words(str(command["cmd"]))
        shown = safe_text(command["cmd"], 60)
        for place, word in enumerate(words):
            found.update(dict.fromkeys(_about(word, shown, is_program=place == 0)))
        for name, value in command["env"].items():
            found.update(dict.fromkeys(_about(value, f"{name}={value}", is_program=False)))
    return list(found)


def _words(text: str) -> list[str]:
    lexer = shlex.shlex(text, posix=True)
    lexer.whitespace_split = True
    lexer.commenters = lexer.escape = ""  # or the backslashes of Windows paths would go
    try:
        return list(lexer)
    except ValueError:  # a quotation mark without its partner
        return text.split()


def _about(word: str, shown: str, *, is_program: bool) -> Iterator[str]:
    for path in _paths(word):
        name = ntpath.basename(path) if "\\" in path else posixpath.basename(path)
        if is_program and _is_absolute(path) and _INTERPRETER.fullmatch(name):
            yield (
                f"`{shown}` names an interpreter of this machine: write `{name}`, and the image's"
                " own one runs."
            )
        elif _is_absolute(path) and _is_here_only(path):
            yield (
                f"`{shown}` names {safe_text(path, 120)}, a path on this machine: put the file"
                " among the inputs and name it relative to them."
            )
        elif ".." in re.split(r"[/\\]", path):
            yield (
                f"`{shown}` names {safe_text(path, 120)}, which may lead out of the inputs: only"
                " they are sent."
            )


def _paths(word: str) -> Iterable[str]:
    """The word, or what stands behind `=` and between list separators in it."""
    value = word.rpartition("=")[2]
    return [value] if re.match(r"[A-Za-z]:[\\/]", value) else value.split(":")


def _is_absolute(path: str) -> bool:
    return path.startswith("/") or bool(re.match(r"[A-Za-z]:[\\/]|\\\\", path))


def _is_here_only(path: str) -> bool:
    if not path.startswith("/"):
        return True  # of Windows; the machines run Linux
    if _ENVIRONMENT.search(path):
        return True
    if path == "/" or f"{path}/".startswith(_EVERYWHERE):
        return False
    try:
        return path.startswith(("/home/", "/Users/", "/root/")) or Path(path).exists()
    except (OSError, ValueError):
        return False
