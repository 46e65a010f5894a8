"""The files of a task: its outputs and inputs listed, compared with a folder, and downloaded."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Literal, overload

from inductiva_widgets.api.stored import StoredLink
from inductiva_widgets.errors import (
    NotFoundError,
    OutputsNotReadyError,
    UserInputError,
)
from inductiva_widgets.formats import short_id
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

__all__ = ["TaskFiles", "output_place", "outputs_missing"]


class TaskFiles(TaskFacts):
    """A task as far as its stored files go; `Task` adds what changes it."""

    def __init__(self, task_id: str, *, backend: Backend | None = None) -> None:
        super().__init__(task_id, backend=backend)
        self._outputs: Outputs | None = None

    def get_output_info(self) -> OutputInfo:
        """The output files: names, sizes, packed sizes; `print()` shows the table.

        Raises:
            OutputsNotReadyError: The task has no output archive yet.
        """
        with self._archive() as outputs:
            told = outputs.info()
        counted = self.info.metrics.output_total_files
        if counted not in (None, told.n_files):
            told.difference = f"The service counts {counted} files, the archive has {told.n_files}."
        return told

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
            dry_run: Fetches and writes nothing; returns a `DownloadPlan` that tells names and
                bytes, what would be skipped and what stands in the way.

        Raises:
            OutputsNotReadyError: The task has no output archive yet.
            NotFoundError: Names that the archive does not hold, after delivering the others.
            DownloadError: Something was not delivered; `.failed` names it.
        """
        target = self.output_dir(output_dir)
        with self._archive() as outputs:
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
        target = self.output_dir(output_dir)
        with self._archive() as outputs:
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
        """Downloads what the task was given, by the same rules as `download_outputs`.

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
        target = self._folder(output_dir, "inputs")
        try:
            return _brought(
                self.inputs, target, filenames, dry_run, uncompress=uncompress, overwrite=overwrite
            )
        except NotFoundError as error:
            if error.missing:
                raise
            self.refresh()  # an unknown task says so itself
            raise NotFoundError(
                f"The inputs of task {short_id(self._id)} are not stored, or not any more."
            ) from None

    def check(self, folder: str | os.PathLike[str] | None = None) -> FolderReport:
        """Compares a local folder with the outputs: missing, different, extra; by size and CRC-32.

        Only the archive's directory is fetched, no file. `print()` shows the report.

        Args:
            folder: The folder to look at; else where `download_outputs` puts files.

        Raises:
            OutputsNotReadyError: The task has no output archive yet.
        """
        place = self.output_dir(folder)
        with self._archive() as outputs:
            return outputs.check(place)

    def output_dir(self, explicit: str | os.PathLike[str] | None = None) -> Path:
        """Folder that downloads go to: as given, else `<output root>/<task id>/outputs`."""
        return self._folder(explicit, "outputs")

    @property
    def outputs(self) -> Outputs:
        """The output archive behind the service, for views."""
        with self._lock:
            known = self._outputs
        if known is not None:
            return known
        from inductiva_widgets.outputs.engine import Outputs

        link = StoredLink(self.backend.client, lambda: output_place(self))
        made = Outputs(self.backend.client.links, link)
        with self._lock:
            self._outputs = self._outputs or made
            return self._outputs

    @property
    def inputs(self) -> Outputs:
        """The input archive behind the service."""
        from inductiva_widgets.outputs.archive import INPUTS
        from inductiva_widgets.outputs.engine import Outputs

        link = StoredLink(self.backend.client, self._input_place)
        return Outputs(self.backend.client.links, link, layout=INPUTS)

    def remove_remote_files(self) -> None:
        """Deletes the task's stored inputs and outputs. They cannot be brought back."""
        self.backend.client.remove(f"{self._id}/", region=self.info.storage_region)

    def _input_place(self) -> tuple[str, str | None]:
        record = self.info
        return record.storage_input_path or f"{self._id}/input.zip", record.storage_region

    def _folder(self, explicit: str | os.PathLike[str] | None, kind: str) -> Path:
        from pathlib import Path

        if explicit is not None:
            if not str(explicit).strip():
                raise UserInputError(
                    "The output folder is empty.", hint="Leave it out, or name it."
                )
            return Path(explicit).expanduser()
        return self.backend.config.output_dir / self._id / kind

    @contextlib.contextmanager
    def _archive(self) -> Iterator[Outputs]:
        """The archive; its absence is told as what it means for the task."""
        try:
            yield self.outputs
        except NotFoundError as error:
            if error.missing:
                raise
            raise outputs_missing(self) from None


def output_place(task: TaskFacts) -> tuple[str, str | None]:
    """Path and region of the output archive in the storage, as the service says."""
    record = task.info
    return record.storage_output_path or f"{task.id}/output.zip", record.storage_region


def outputs_missing(task: TaskFacts) -> OutputsNotReadyError:
    """Why there is no archive: not ended yet, or ended without one."""
    has_ended, record = task.is_terminal(), task.info  # what was just asked is not asked again
    if has_ended:
        return OutputsNotReadyError(
            f"Task {short_id(task.id)} ended as {record.alias} without output files."
        )
    return OutputsNotReadyError(
        f"Task {short_id(task.id)} is {record.alias}: its outputs come when it ends.",
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
