"""Submitting a task: its description checked, its inputs packed, sent and confirmed.

Source: the contract, section 9. The sequence is that of the official client, so that both send
the same bodies for the same run.
"""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from inductiva_widgets.api.client import quiet_kill
from inductiva_widgets.errors import UserInputError
from inductiva_widgets.formats import safe_text

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from inductiva_widgets.backend import Backend

__all__ = ["Command", "check_inputs", "check_metadata", "submit_task"]

Command = str | Mapping[str, Any]

FORBIDDEN = "|><&;?~$"  # the service runs argument lists, never a shell
SIMULATOR = "arbitrary_commands"
LOCAL_GROUP = "local"
LOCAL_IMAGE = "docker://local"  # recorded only: the local engine runs no containers
SIM_DIR = "sim_dir"
_TEXT_SUFFIXES = (".txt", ".sh")  # their line ends are made those of the machine that runs them


def describe(  # noqa: PLR0913 - the fields of the request
    commands: Sequence[Command],
    *,
    simulator: str | None,
    machine_group_id: str,
    container_image: str,
    project: str | None,
    time_to_live_s: float | None,
    input_resources: Sequence[str],
    resubmit_on_preemption: bool,
) -> dict[str, Any]:
    """Body of `POST /tasks/submit`.

    Raises:
        UserInputError: No command, or one that the service would refuse.
    """
    if isinstance(commands, str) or not commands:
        raise UserInputError(
            "A task needs a list of at least one command.",
            hint='For example commands=["python run.py"].',
        )
    if isinstance(input_resources, str):
        input_resources = [input_resources]
    if time_to_live_s is not None and not time_to_live_s > 0:
        raise UserInputError("time_to_live_s must be more than 0 seconds, or None for no limit.")
    return {
        "simulator": SIMULATOR,
        "simulator_name_alias": simulator,
        "resource_pool": machine_group_id,
        "container_image": container_image,
        "storage_path_prefix": "",
        "project": project,
        "time_to_live_seconds": time_to_live_s,
        "resubmit_on_preemption": resubmit_on_preemption,
        "input_resources": list(input_resources),
        "stream_zip": True,
        "compress_with": "SEVEN_Z",
        "extra_params": {
            "sim_dir": SIM_DIR,
            "container_image": container_image,
            "commands": [_command(item) for item in commands],
        },
    }


def _command(item: Command) -> dict[str, Any]:
    given: Mapping[str, Any] = item if isinstance(item, Mapping) else {"cmd": item}
    text = given.get("cmd")
    if not isinstance(text, str) or not text.strip():
        raise UserInputError("A command is a text, or a dict whose 'cmd' is one.")
    bad = sorted(set(text) & set(FORBIDDEN))
    if bad:
        raise UserInputError(
            f"The command {text!r} holds {' '.join(bad)}, which no shell will interpret.",
            hint="Put such a line into a script among the inputs and run the script.",
        )
    unknown = set(given) - {"cmd", "prompts", "mpi_config", "env"}
    if unknown:
        raise UserInputError(f"A command has no field {min(unknown)!r}.")
    return {
        "cmd": text,
        "prompts": list(given.get("prompts") or []),
        "mpi_config": given.get("mpi_config"),
        "env": {str(k): str(v) for k, v in (given.get("env") or {}).items()},
    }


def submit_task(
    backend: Backend,
    body: dict[str, Any],
    input_dir: str | os.PathLike[str] | None,
) -> str:
    """Sends the task and its inputs; returns its id.

    If the inputs cannot be sent, the half-made task is killed.

    Raises:
        UserInputError: The input folder is missing or cannot be packed.
    """
    with tempfile.TemporaryFile() as archive:
        pack_inputs(input_dir, archive)
        archive.seek(0)
        reply = backend.client.submit(body)
        if reply.status == "pending-input":
            with quiet_kill(backend.client, reply.id):
                path = f"{reply.id}/input.zip"
                region = reply.storage_region
                url = backend.client.signed_url(path, operation="upload", region=region)
                backend.client.upload(url, archive)
                backend.client.input_uploaded(reply.id)
    return reply.id


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
    root = Path(input_dir).expanduser()
    if not root.is_dir():
        raise UserInputError(f"The input folder {str(input_dir)!r} does not exist.")
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


def check_metadata(metadata: Mapping[str, str]) -> None:
    """Refuses keys and values that are empty or no text."""
    texts: list[object] = [*metadata.keys(), *metadata.values()]
    if not all(isinstance(text, str) and text for text in texts):
        raise UserInputError("Metadata keys and values are non-empty texts.")
