"""The files of a task: outputs and inputs listed, compared with a folder, downloaded."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Literal, overload

from inductiva_widgets.api.stored import StoredLink
from inductiva_widgets.errors import (
    NotFoundError,
    OutputsNotReadyError,
    UserInputError,
)
from inductiva_widgets.formats import safe_text, short_id
from inductiva_widgets.submit import inputs_missing
from inductiva_widgets.task.facts import TaskFacts
from inductiva_widgets.task.host import host

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from inductiva_widgets.backend import Backend
    from inductiva_widgets.outputs.check import FolderReport
    from inductiva_widgets.outputs.download import Download
    from inductiva_widgets.outputs.engine import Outputs
    from inductiva_widgets.outputs.files import OutputInfo
    from inductiva_widgets.outputs.rehearsal import DownloadPlan

__all__ = [
    "TaskFiles",
    "download_folder",
    "existing_outputs",
    "inputs_of",
    "outputs_missing",
    "outputs_of",
]


class TaskFiles(TaskFacts):
    """A task with its stored files; `Task` adds what changes it."""

    def __init__(self, task_id: str, *, backend: Backend | None = None) -> None:
        super().__init__(task_id, backend=backend)
        self._outputs: Outputs | None = None

    def get_output_info(self) -> OutputInfo:
        """The output files: names, sizes, packed sizes; `print()` shows the table.

        Raises:
            OutputsNotReadyError: The task has no output archive yet.
        """
        with existing_outputs(self) as outputs:
            info = outputs.info()
        counted = self.info.metrics.output_total_files
        if counted not in (None, info.n_files):
            info.difference = f"The service counts {counted} files, the archive has {info.n_files}."
        return info

    get_output_files_info = get_output_info

    @overload
    def download_outputs(
        self,
        filenames: Sequence[str] | None = ...,
        output_dir: str | os.PathLike[str] | None = ...,
        *,
        uncompress: bool = ...,
        overwrite: str = ...,
        dry_run: Literal[False] = ...,
    ) -> Path: ...

    @overload
    def download_outputs(
        self,
        filenames: Sequence[str] | None = ...,
        output_dir: str | os.PathLike[str] | None = ...,
        *,
        uncompress: bool = ...,
        overwrite: str = ...,
        dry_run: Literal[True],
    ) -> DownloadPlan: ...

    def download_outputs(
        self,
        filenames: Sequence[str] | None = None,
        output_dir: str | os.PathLike[str] | None = None,
        *,
        uncompress: bool = True,
        overwrite: str = "error",
        dry_run: bool = False,
    ) -> Path | DownloadPlan:
        """Downloads output files and returns the folder that holds them.

        Args:
            filenames: Names, folders (`vtk/`) or patterns (`vtk/*.vtk`); all files by default.
            output_dir: Used as it is; else `<output root>/<task id>/outputs`.
            uncompress: `False` stores the archive itself as `output.zip`.
            overwrite: `error` (identical files are skipped), `skip`, `replace` or `rename`.
            dry_run: Fetches and writes nothing; returns a `DownloadPlan`: names and bytes, what
                would be skipped, and which files are in the way.

        Raises:
            OutputsNotReadyError: The task has no output archive yet.
            NotFoundError: Names that the archive does not hold, after delivering the others.
            DownloadError: Something was not delivered; `.failed` names it.
        """
        target = download_folder(self, output_dir)
        with existing_outputs(self) as outputs:
            return _brought(
                outputs, target, filenames, dry_run, uncompress=uncompress, overwrite=overwrite
            )

    def start_download(
        self,
        filenames: Sequence[str] | None = None,
        output_dir: str | os.PathLike[str] | None = None,
        *,
        uncompress: bool = True,
        overwrite: str = "error",
        bytes_per_s: float | None = None,
    ) -> Download:
        """Starts a download and returns at once: `.result()`, `.cancel()`, `.progress`.

        Args:
            filenames: As in `download_outputs`, like all but the last.
            output_dir: The folder.
            uncompress: `False` stores the archive itself.
            overwrite: What to do with existing files of other content.
            bytes_per_s: Limit on the rate of receiving; `None` for none.
        """
        target = download_folder(self, output_dir)
        with existing_outputs(self) as outputs:
            return outputs.start_download(
                target,
                filenames=filenames,
                uncompress=uncompress,
                overwrite=overwrite,
                bytes_per_s=bytes_per_s,
            )

    @overload
    def download_inputs(
        self,
        filenames: Sequence[str] | None = ...,
        output_dir: str | os.PathLike[str] | None = ...,
        *,
        uncompress: bool = ...,
        overwrite: str = ...,
        dry_run: Literal[False] = ...,
    ) -> Path: ...

    @overload
    def download_inputs(
        self,
        filenames: Sequence[str] | None = ...,
        output_dir: str | os.PathLike[str] | None = ...,
        *,
        uncompress: bool = ...,
        overwrite: str = ...,
        dry_run: Literal[True],
    ) -> DownloadPlan: ...

    def download_inputs(
        self,
        filenames: Sequence[str] | None = None,
        output_dir: str | os.PathLike[str] | None = None,
        *,
        uncompress: bool = True,
        overwrite: str = "error",
        dry_run: bool = False,
    ) -> Path | DownloadPlan:
        """Downloads the inputs of the task, by the same rules as `download_outputs`.

        Args:
            filenames: Names relative to the input folder, folders or patterns; all by default.
            output_dir: Used as it is; else `<output root>/<task id>/inputs`.
            uncompress: `False` stores the archive itself as `input.zip`.
            overwrite: `error` (identical files are skipped), `skip`, `replace` or `rename`.
            dry_run: Fetches and writes nothing; returns a `DownloadPlan`.

        Raises:
            NotFoundError: The inputs are not stored, or names that they do not hold.
            DownloadError: Something was not delivered; `.failed` names it.
        """
        target = download_folder(self, output_dir, "inputs")
        try:
            archive = inputs_of(self)
            return _brought(
                archive, target, filenames, dry_run, uncompress=uncompress, overwrite=overwrite
            )
        except NotFoundError as error:
            if error.missing:
                raise
            self.refresh()  # an unknown task says so itself
            raise inputs_missing(self._id) from None

    def check(self, folder: str | os.PathLike[str] | None = None) -> FolderReport:
        """Compares a local folder with the outputs: missing, different, extra; by size and CRC-32.

        Only the archive's directory is fetched, no file. `print()` shows the report.

        Args:
            folder: The folder to look at; else where `download_outputs` puts files.

        Raises:
            OutputsNotReadyError: The task has no output archive yet.
        """
        place = download_folder(self, folder)
        with existing_outputs(self) as outputs:
            return outputs.check(place)

    def remove_remote_files(self) -> None:
        """Deletes the task's stored inputs and outputs. This cannot be undone."""
        self.backend.client.remove(f"{self._id}/", region=self.info.storage_region)


def outputs_of(task: TaskFiles) -> Outputs:
    """The output archive, one object for each `Task`: its listing is read once."""
    from inductiva_widgets.outputs.engine import Outputs

    client = task.backend.client
    link = StoredLink(client, lambda: task.info.output_place)
    made = Outputs(client.links, link)  # which asks for nothing yet
    with task._lock:  # noqa: SLF001 - the two are one mechanism
        task._outputs = task._outputs or made  # noqa: SLF001
        return task._outputs  # noqa: SLF001


def inputs_of(task: TaskFacts) -> Outputs:
    """The input archive."""
    from inductiva_widgets.outputs.archive import INPUTS
    from inductiva_widgets.outputs.engine import Outputs

    client = task.backend.client
    link = StoredLink(client, lambda: task.info.input_place)
    return Outputs(client.links, link, layout=INPUTS)


@contextlib.contextmanager
def existing_outputs(task: TaskFiles) -> Iterator[Outputs]:
    """The output archive; a missing one is reported as what it means for the task.

    Raises:
        OutputsNotReadyError: The task has no output archive (yet).
    """
    try:
        yield outputs_of(task)
    except NotFoundError as error:
        if error.missing:
            raise
        raise outputs_missing(task) from None


def download_folder(
    task: TaskFacts, explicit: str | os.PathLike[str] | None = None, kind: str = "outputs"
) -> Path:
    """Folder that downloads go to: as given, else `<output root>/<task id>/<kind>`.

    Raises:
        UserInputError: The folder given is empty.
    """
    from pathlib import Path

    if explicit is not None:
        if not str(explicit).strip():
            raise UserInputError("The output folder is empty.", hint="Leave it out, or name it.")
        return Path(explicit).expanduser()
    return task.backend.config.output_dir / task.id / kind


def outputs_missing(task: TaskFacts) -> OutputsNotReadyError:
    """Why there is no archive: not ended yet, or ended without one."""
    has_ended = task.is_terminal()
    alias = safe_text(task.info.alias, 80)  # what was just asked is not asked again
    if has_ended:
        return OutputsNotReadyError(
            f"Task {short_id(task.id)} ended as {alias} without output files."
        )
    return OutputsNotReadyError(
        f"Task {short_id(task.id)} is {alias}: its outputs come when it ends.",
        hint="Wait for it with task.wait().",
    )


def _brought(
    archive: Outputs,
    target: Path,
    filenames: Sequence[str] | None,
    dry_run: bool,  # noqa: FBT001 - passed through as given
    **how: Any,  # noqa: ANN401 - as `Outputs.start_download` takes it
) -> Path | DownloadPlan:
    if dry_run:
        return archive.plan_download(target, filenames=filenames, **how)
    bar = host().download_bar()
    return archive.start_download(target, filenames=filenames, on_progress=bar, **how).result()
