"""Download folders of views, and how their paths are shown."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from inductiva_widgets.errors import DestinationError, UserInputError
from inductiva_widgets.formats import safe_text

if TYPE_CHECKING:
    from inductiva_widgets.backend import Backend
    from inductiva_widgets.task import Task

__all__ = ["Targets"]

PATH_LIMIT = 4096


class Targets:
    """Where the downloads of views go. Immutable, so freely shared.

    Args:
        root: Folder of all downloads, such as `<root of the file browser>/inductiva_output`. A view
            may then choose another folder below `root.parent`, and sees paths relative to that.
            `None`: the backend's output folder, or any that a view names; both are shown whole.
    """

    def __init__(self, root: Path | None) -> None:
        self._root = root

    def base(self, backend: Backend, folder: object = None) -> Path:
        """Folder that holds a folder for each task.

        Args:
            backend: Where the tasks run.
            folder: Path of a folder in the file browser; `None` is its root. Without `root` a
                path, from the working folder on.

        Raises:
            UserInputError: `folder` is no such path.
        """
        if self._root is None:
            return backend.config.output_dir if folder is None else _path(folder)
        return self._root.parent / _inner(folder) / self._root.name

    def place(self, task: Task, folder: object = None) -> Path:
        """Folder of a task's files, to be shown; `checked` before anything is written.

        Raises:
            UserInputError: As of `base`.
        """
        return self.base(task.backend, folder) / task.id / "outputs"

    def checked(self, target: Path) -> Path:
        """A place with all links followed.

        Raises:
            DestinationError: It is outside of the file browser's root, or would be in a folder
                that does not exist.
        """
        if self._root is None:
            return _in_folder(target)
        chosen = target.parent.parent.parent
        try:
            real = target.resolve()
            is_inside = real.is_relative_to(self._root.parent.resolve())
            has_place = chosen == self._root.parent or chosen.is_dir()
        except (OSError, RuntimeError):  # a circle of links
            is_inside = has_place = False
        if not is_inside:
            raise DestinationError(
                f"{self.shown(target)} is outside of the folder that this server shows.",
                hint="A link on the way leads elsewhere: remove it, or choose another folder.",
            )
        if not has_place:
            raise DestinationError(
                f"There is no folder {self.shown(chosen)}.",
                hint="Make it in the file browser, or choose another one.",
            )
        return real

    def shown(self, target: Path) -> str:
        """The path as people see it; absolute paths of a server are none of a page's business."""
        if self._root is None:
            return str(target)
        return target.relative_to(self._root.parent).as_posix()


def _path(folder: object) -> Path:
    """Any folder, from the working folder on."""
    if not isinstance(folder, str) or not folder or len(folder) > PATH_LIMIT or "\0" in folder:
        raise UserInputError("folder must be the path of a folder.")
    try:
        return Path(folder).expanduser().absolute()
    except RuntimeError as error:  # no home of this name
        raise UserInputError(f"There is no folder {safe_text(folder)}.") from error


def _in_folder(target: Path) -> Path:
    """The place, unless a file is on the way to it."""
    for place in (target, *target.parents):
        if place.is_dir():
            return target
        if place.exists():
            raise DestinationError(
                f"{safe_text(place, 4096)} is a file.", hint="Choose the path of a folder."
            )
    return target


def _inner(folder: object) -> PurePosixPath:
    """The path of a folder in the file browser, which never leads upwards."""
    if folder is None:
        return PurePosixPath()
    if not isinstance(folder, str) or len(folder) > PATH_LIMIT:
        raise UserInputError("folder must be the path of a folder in the file browser.")
    path = PurePosixPath(folder.strip("/"))
    # A drive or a backslash leads out on Windows only, and no folder elsewhere has such a name.
    if ".." in path.parts or any(c in folder for c in "\\\0") or Path(path).is_absolute():
        raise UserInputError("folder must be a path below the root of the file browser.")
    if path.parts and ":" in path.parts[0]:
        raise UserInputError(
            "folder must be a path without the name of a drive.",
            hint="It is the part after the colon.",
        )
    return path
