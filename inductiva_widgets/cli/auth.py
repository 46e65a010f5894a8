"""Commands about the key: `auth login`, `logout`, `status`."""

from __future__ import annotations

import contextlib
import getpass
import os
import sys
import warnings
from typing import TYPE_CHECKING, Any

import click

from inductiva_widgets.cli.console import (
    complain,
    confirm,
    is_terminal,
    json_option,
    print_json,
    yes_option,
)
from inductiva_widgets.errors import ConfigurationError, InductivaWidgetsError
from inductiva_widgets.formats import safe_text

if TYPE_CHECKING:
    from inductiva_widgets.api.config import Config

__all__ = ["COMMANDS"]

LONGEST_KEY = 4096


@click.command()
@yes_option
@json_option
def login(*, yes: bool, as_json: bool) -> int:
    """Keep an API key in the file that the official client shares.

    The key is read without showing it, or from a pipe. The service is asked whether it
    is right before anything is written.
    """
    from inductiva_widgets.api import config as configs

    key = configs.ApiKey(_read_key(), "the input")
    config = configs.load(key=key.reveal())
    if config is None:
        raise AssertionError  # a key was given
    account = _account(config)
    path = configs.key_file()
    if _holds_another(key):
        agreed = confirm(
            [f"Another key is kept in {path}, which the official client uses as well."],
            yes=yes,
            err=as_json,
            otherwise="the key in the key file was not replaced",
        )
        if not agreed:
            click.echo("The key was not replaced.", err=as_json)
            return 1
    configs.write_key(key)
    overruled = bool(os.environ.get(configs.KEY_VARIABLE, "").strip())
    if as_json:
        print_json({"key_file": str(path), "service": config.url, "account": account})
    else:
        click.echo(f"Logged in at {config.name}{_who(account)}. The key is kept in {path}.")
    if overruled:
        click.echo(
            f"Warning: the variable {configs.KEY_VARIABLE} is set, and comes before the file.",
            err=True,
        )
    return 0


def _read_key() -> str:
    """The key from the terminal without echo, or the first line of a pipe."""
    if not is_terminal(sys.stdin):
        return sys.stdin.readline(LONGEST_KEY)
    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return getpass.getpass("API key (not shown): ")
        except getpass.GetPassWarning:
            raise ConfigurationError(
                "This terminal would show the key.", hint="Send it through a pipe instead."
            ) from None
        except EOFError:
            return ""


def _holds_another(key: Any) -> bool:  # noqa: ANN401 - an ApiKey, imported late
    from inductiva_widgets.api import config as configs

    try:
        kept = configs.key_file().read_text(encoding="utf-8-sig").strip()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, UnicodeDecodeError):
        return True
    return kept not in ("", key.reveal())


def _account(config: Config) -> dict[str, str]:
    """Who the key belongs to, by the service.

    Raises:
        AuthenticationError: The service refuses the key.
    """
    from inductiva_widgets.backend import Backend

    with contextlib.closing(Backend(config)) as backend:
        user = backend.client.user()
    return {
        name: safe_text(user[name], 80)
        for name in ("name", "username", "email")
        if isinstance(user.get(name), str) and user[name]
    }


def _who(account: dict[str, str]) -> str:
    name = account.get("name") or account.get("username") or account.get("email")
    return f" as {name}" if name else ""


@click.command()
@yes_option
@json_option
def logout(*, yes: bool, as_json: bool) -> int:
    """Remove the key file, which the official client shares."""
    from inductiva_widgets.api import config as configs

    path = configs.key_file()
    is_there = path.is_file()
    if is_there:
        agreed = confirm(
            [f"You are about to remove {path}, which the official client uses as well."],
            yes=yes,
            err=as_json,
            otherwise="the key file was not removed",
        )
        if not agreed:
            click.echo("The key file was not removed.", err=as_json)
            return 1
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise ConfigurationError(
                f"The key file {path} cannot be removed: {error.strerror}."
            ) from None
    if as_json:
        print_json({"key_file": str(path), "removed": is_there})
    else:
        click.echo(f"Removed {path}." if is_there else "No key was kept.")
    if os.environ.get(configs.KEY_VARIABLE, "").strip():
        click.echo(f"Warning: the variable {configs.KEY_VARIABLE} still holds a key.", err=True)
    return 0


@click.command()
@json_option
def status(*, as_json: bool) -> int:
    """Show where address, key and folders come from, and whether the service takes the key."""
    import inductiva_widgets as iw

    settings = iw.config()
    account: dict[str, str] | None = None
    error: InductivaWidgetsError | None = None
    config: Config | None = None
    try:
        config = _present()
        account = _account(config) if config else None
    except InductivaWidgetsError as caught:
        error = caught
    if as_json:
        result = {"account": account, "error": str(error) if error else None}
        print_json({**settings.to_dict(), **result})
    else:
        click.echo(str(settings))
        if account is not None and config is not None:
            click.echo(_state(config, account))
        elif error is None:
            click.echo("No local engine runs now; `inductiva-widgets serve` runs one.")
    if error is not None and not any(str(error) in text for text in settings.warnings):
        complain(error)
    return int(error is not None)


def _state(config: Config, account: dict[str, str]) -> str:
    if config.is_local:
        return f"It runs at {config.url} and takes its own key{_who(account)}."
    return f"The service takes the key: logged in{_who(account)}."


def _present() -> Config | None:
    from inductiva_widgets import backend as backends

    found = backends.find()
    if found is None:
        return None
    found.close()
    return found.config


COMMANDS = (login, logout, status)
