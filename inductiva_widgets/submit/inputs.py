"""Inputs of a task as one archive: packed from a folder, or copied from another task."""

from __future__ import annotations

import contextlib
import tempfile
import zipfile
from pathlib import Path
from typing import IO, TYPE_CHECKING

from inductiva_widgets.errors import NotFoundError, UserInputError
from inductiva_widgets.formats import safe_text, short_id
from inductiva_widgets.submit.description import SIM_DIR

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from inductiva_widgets.api.models import TaskRecord
    from inductiva_widgets.backend import Backend

__all__ = ["check_inputs", "inputs_missing", "pack_inputs", "packed_inputs", "stored_inputs"]

_TEXT_SUFFIXES = (".txt", ".sh")  # their line ends are made those of the machine that runs them


@contextlib.contextmanager
def packed_inputs(input_dir: str | os.PathLike[str] | None) -> Iterator[IO[bytes]]:
    """`input.zip` of a folder, as a temporary file at its start."""
    with tempfile.TemporaryFile() as archive:
        pack_inputs(input_dir, archive)
        archive.seek(0)
        yield archive


@contextlib.contextmanager
def stored_inputs(backend: Backend, record: TaskRecord) -> Iterator[IO[bytes]]:
    """`input.zip` of a task, fetched from the storage into a temporary file.

    It comes the way of outputs: by ranges of one version, resumed where a connection breaks.

    Raises:
        NotFoundError: The inputs were removed, or never came.
        DownloadError: They could not be fetched, or are no zip archive.
    """
    from inductiva_widgets.api.stored import StoredLink
    from inductiva_widgets.outputs.engine import Outputs

    link = StoredLink(backend.client, lambda: record.input_place)
    with tempfile.TemporaryDirectory() as folder:
        try:
            archive = Outputs(backend.client.links, link)
            fetched = archive.start_download(Path(folder), uncompress=False).result()
        except NotFoundError:
            hint = "Give them again: task.resubmit(input_dir=…)."
            raise inputs_missing(record.task_id, hint) from None
        with (fetched / "output.zip").open("rb") as file:
            yield file


def inputs_missing(task_id: str, hint: str = "") -> NotFoundError:
    """The storage has no inputs of this task."""
    return NotFoundError(
        f"The inputs of task {short_id(task_id)} are not stored, or not any more.", hint=hint
    )


def pack_inputs(input_dir: str | os.PathLike[str] | None, archive: IO[bytes]) -> None:
    """Writes `input.zip`: the folder's files under `sim_dir/`. No folder: an empty `sim_dir/`.

    Raises:
        UserInputError: Not a folder, or a file in it cannot be packed.
    """
    root = check_inputs(input_dir)
    with zipfile.ZipFile(
        archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1, strict_timestamps=False
    ) as target:
        target.writestr(f"{SIM_DIR}/", b"")
        if root is None:
            return
        for path in sorted(root.rglob("*")):
            try:
                _pack(target, path, f"{SIM_DIR}/{path.relative_to(root).as_posix()}")
            except (OSError, UnicodeEncodeError) as error:
                reason = getattr(error, "strerror", None) or "its name is no text"
                raise UserInputError(
                    f"The input {safe_text(path)} cannot be packed: {reason}."
                ) from error


def check_inputs(input_dir: str | os.PathLike[str] | None) -> Path | None:
    """The folder of the inputs, `None` for no inputs.

    Raises:
        UserInputError: Not a folder, or with a file named `output.zip` (kept for the results).
    """
    if input_dir is None:
        return None
    if not str(input_dir).strip():  # an empty path is the working folder, which nobody meant
        raise UserInputError("The input folder is empty.", hint="Leave it out, or name it.")
    root = Path(input_dir).expanduser()
    if not root.is_dir():
        raise UserInputError(
            f"The input folder {str(input_dir)!r} does not exist.",
            hint=f"Name it from here ({Path.cwd()}), or by its whole path.",
        )
    if (root / "output.zip").exists():
        raise UserInputError(
            "The input folder holds a file named output.zip, which results are stored under.",
            hint="Move or rename it.",
        )
    return root


def _pack(target: zipfile.ZipFile, path: Path, name: str) -> None:
    if path.is_dir():
        target.writestr(f"{name}/", b"")
    elif path.suffix in _TEXT_SUFFIXES:
        info = zipfile.ZipInfo.from_file(path, name, strict_timestamps=False)
        info.compress_type = zipfile.ZIP_DEFLATED
        target.writestr(info, path.read_bytes().replace(b"\r\n", b"\n"))
    elif path.is_file():
        target.write(path, name)
