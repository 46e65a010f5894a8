"""The settings and where each comes from, for people to read; never the key itself."""

from __future__ import annotations

import os
import shlex
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from inductiva_widgets.api import config as configs
from inductiva_widgets.errors import ConfigurationError
from inductiva_widgets.formats import safe_text, text_table

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Setting", "Settings", "explain"]


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its name, its value as shown, and where it comes from."""

    name: str
    value: str
    source: str


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings. `print()` shows them as a table; `str` and `repr` are the same.

    Attributes:
        settings: `service`, `API key`, `outputs` and `engine folder`.
        warnings: What should be fixed, each with how.
    """

    settings: tuple[Setting, ...]
    warnings: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Setting:
        """A setting by its name."""
        for setting in self.settings:
            if setting.name == name:
                return setting
        raise KeyError(name)

    def to_dict(self) -> dict[str, object]:
        """The same as plain values."""
        return {
            "settings": [asdict(setting) for setting in self.settings],
            "warnings": list(self.warnings),
        }

    def __str__(self) -> str:
        first, *others = [
            (s.name, safe_text(s.value, 4096), safe_text(s.source, 4096)) for s in self.settings
        ]
        lines = [text_table(first, others, indent="")]
        lines += [f"Warning: {safe_text(warning, 4096)}" for warning in self.warnings]
        return "\n".join(lines)

    __repr__ = __str__


def explain(active: configs.Config | None, *, wants_local: bool, engine_dir: Path) -> Settings:
    """Settings of a backend, or those that the next `connect()` would find.

    Sends no request, starts nothing, and raises nothing: what is invalid becomes a warning.

    Args:
        active: Of the backend in use, `None` when there is none yet.
        wants_local: Whether the environment asks for the local engine whatever keys there are.
        engine_dir: Folder of the local engine.
    """
    warnings: list[str] = []
    config = active
    if config is None and not wants_local:
        try:
            config = configs.load()
        except ConfigurationError as error:
            warnings.append(str(error))
    if config is not None:
        service = Setting("service", _service(config), config.url_source or "the local engine")
        key = Setting("API key", "set", config.key_source)
    elif warnings:
        service = Setting("service", "cannot be used", "see the warning")
        key = Setting("API key", *_unused_key())
    else:
        why = "the variable INDUCTIVA_WIDGETS_LOCAL" if wants_local else "no API key was found"
        service = Setting("service", "local engine", why)
        key = Setting("API key", "none", "the local engine has its own")
    is_local = config.is_local if config is not None else not warnings
    folder = Setting("engine folder", str(engine_dir), _folder_source())
    return Settings(
        (service, key, _outputs(active), folder), (*warnings, *_warnings(is_local=is_local))
    )


def _service(config: configs.Config) -> str:
    return f"local engine, {config.url}" if config.is_local else config.url


def _outputs(active: configs.Config | None) -> Setting:
    given = os.environ.get(configs.OUTPUT_VARIABLE)
    by_variable = f"the variable {configs.OUTPUT_VARIABLE}"
    folder = configs.output_root() if active is None else active.output_dir
    source = active.output_source if active is not None else ""
    if not source and folder == configs.output_root():
        source = by_variable if given else configs.BY_DEFAULT
    return Setting("outputs", str(folder.absolute()), source or configs.BY_ARGUMENT)


def _folder_source() -> str:
    variable = "INDUCTIVA_WIDGETS_DATA_DIR"
    return f"the variable {variable}" if os.environ.get(variable) else configs.BY_DEFAULT


def _unused_key() -> tuple[str, str]:
    try:
        found = configs.find_key()
    except ConfigurationError:
        return "cannot be used", "see the warning"
    return ("set", found[1]) if found else ("none", "no API key was found")


def _warnings(*, is_local: bool) -> list[str]:
    path = configs.key_file()
    found: list[str] = []
    if not configs.is_private(path):
        found.append(
            f"Others can read the key file {path}. `inductiva-widgets auth login` fixes it, and so"
            f" does `chmod 600 {shlex.quote(str(path))}`."
        )
    if os.environ.get(configs.KEY_VARIABLE, "").strip() and path.is_file() and not is_local:
        found.append(
            f"The variable {configs.KEY_VARIABLE} is used; the key file {path} is passed over."
        )
    if os.environ.get(configs.URL_VARIABLE) and is_local:
        found.append(
            f"The variable {configs.URL_VARIABLE} is passed over: the local engine is used."
        )
    return found
