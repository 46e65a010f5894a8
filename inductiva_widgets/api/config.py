"""Where the service's address, the API key and the output folder come from.

Order: argument > environment > key file > default. Read at use, never at import. The names of the
variables and files are those of the official client, so that `inductiva auth login` just works.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import hmac
import ipaddress
import os
import re
import secrets
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from inductiva_widgets.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "DEFAULT_URL",
    "ApiKey",
    "Config",
    "find_key",
    "is_loopback",
    "is_private",
    "key_file",
    "load",
    "newer_key",
    "normalise_url",
    "output_root",
    "write_key",
]

DEFAULT_URL = "https://api.inductiva.ai"
URL_VARIABLE = "INDUCTIVA_API_URL"
KEY_VARIABLE = "INDUCTIVA_API_KEY"
OUTPUT_VARIABLE = "INDUCTIVA_OUTPUT_DIR"
DEFAULT_OUTPUT_DIR = "inductiva_output"

BY_ARGUMENT = "the argument"
BY_KEY_VARIABLE = f"the variable {KEY_VARIABLE}"
BY_DEFAULT = "the default"

_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[\w.:-]+")
_KEY = re.compile(r"[A-Za-z0-9._-]+")


class ApiKey:
    """An API key that does not show itself: only `reveal()` gives the text."""

    __slots__ = ("_text",)

    def __init__(self, text: str, source: str = BY_ARGUMENT) -> None:
        text = text.strip()
        if not text:
            raise ConfigurationError(
                f"The API key from {source} is empty.",
                hint=f"Copy it again, or leave it out to use {KEY_VARIABLE} or the key file.",
            )
        if not _KEY.fullmatch(text):
            raise ConfigurationError(
                f"The API key from {source} has characters that no key has.",
                hint="A key holds letters, digits, '.', '_' and '-' only: copy it again.",
            )
        self._text = text

    def reveal(self) -> str:
        """The key itself; only `api.http` has a use for it."""
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ApiKey) and hmac.compare_digest(self._text, other._text)

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "<API key>"

    def __reduce__(self) -> str:
        raise TypeError("an API key is not pickled")


@dataclass(frozen=True, slots=True)
class Config:
    """Settings of one backend.

    Attributes:
        url: Normalised base address, without a trailing slash.
        key: The API key.
        key_source: Where the key was found, for people.
        output_dir: Root of downloaded outputs; relative to the working directory at use.
        is_local: Whether this is the engine on this machine.
        url_source: Where the address was found, for people; empty when nobody noted it.
        output_source: The same of the output folder.
    """

    url: str
    key: ApiKey = field(repr=False)
    key_source: str
    output_dir: Path
    is_local: bool = False
    url_source: str = ""
    output_source: str = ""

    @property
    def name(self) -> str:
        """The name for people: the host, or `local engine`."""
        return "local engine" if self.is_local else urlsplit(self.url).netloc

    @property
    def backend_id(self) -> str:
        """12 hex digits that name the service without showing its address.

        An engine on this machine has another port now and then, and all machines have the same
        ports: it is known by its key, which is random and stays in its folder.
        """
        if self.is_local:
            key = self.key.reveal().encode()
            return hmac.new(key, b"local engine", hashlib.sha256).hexdigest()[:12]
        return hashlib.sha256(self.url.encode()).hexdigest()[:12]


def load(
    *,
    key: str | None = None,
    url: str | None = None,
    output_dir: str | os.PathLike[str] | None = None,
) -> Config | None:
    """Settings from argument, environment and key file; `None` when no key is anywhere.

    Raises:
        ConfigurationError: Address, key or output folder is invalid.
    """
    chosen, url_source = _chosen(url, URL_VARIABLE, DEFAULT_URL)
    address = normalise_url(str(chosen))  # a wrong one is reported even without a key for it
    found = (ApiKey(key), BY_ARGUMENT) if key is not None else find_key()
    if found is None:
        return None
    folder, output_source = _chosen(output_dir, OUTPUT_VARIABLE, DEFAULT_OUTPUT_DIR)
    return Config(
        url=address,
        key=found[0],
        key_source=found[1],
        output_dir=Path(folder).expanduser(),
        url_source=url_source,
        output_source=output_source,
    )


def output_root(output_dir: str | os.PathLike[str] | None = None) -> Path:
    """Folder below which outputs go: argument > `INDUCTIVA_OUTPUT_DIR` > `inductiva_output`.

    Raises:
        ConfigurationError: The argument is empty.
    """
    return Path(_chosen(output_dir, OUTPUT_VARIABLE, DEFAULT_OUTPUT_DIR)[0]).expanduser()


def _chosen(
    given: str | os.PathLike[str] | None, variable: str, default: str
) -> tuple[str | os.PathLike[str], str]:
    """The first that is there of argument, variable and default, and which one it is.

    Raises:
        ConfigurationError: An empty argument, which somebody meant to be something.
    """
    if given is not None:
        if not str(given).strip():
            raise ConfigurationError(
                "The address or the output folder is empty.",
                hint=f"Leave it out to use {variable} or the default.",
            )
        return given, BY_ARGUMENT
    text = os.environ.get(variable)
    return (text, f"the variable {variable}") if text else (default, BY_DEFAULT)


def key_file() -> Path:
    """The key file that the official client shares."""
    home = Path.home()
    folder = home / "AppData" / "inductiva" if sys.platform == "win32" else home / ".inductiva"
    return folder / "api_key"


def find_key() -> tuple[ApiKey, str] | None:
    """The key of the environment or of the key file, with its source; `None` when there is none."""
    text = os.environ.get(KEY_VARIABLE, "")
    if text.strip():
        return ApiKey(text, KEY_VARIABLE), BY_KEY_VARIABLE
    path = key_file()
    try:
        text = path.read_text(encoding="utf-8-sig")  # editors on Windows write a mark
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(
            f"The key file {path} cannot be read.",
            hint=f"Write it anew with `inductiva-widgets auth login`, or set {KEY_VARIABLE}.",
        ) from None
    return (ApiKey(text, str(path)), _by_file(path)) if text.strip() else None


def newer_key(config: Config) -> Iterator[Config]:
    """The same settings with the present key of the variable or file that their key came from.

    A key is sent only to the address that is set beside it: when the settings name another address
    now, their key is not used for this one.
    """
    if config.key_source not in (BY_KEY_VARIABLE, _by_file(key_file())):
        return
    given = config.url if config.url_source == BY_ARGUMENT else None
    try:
        now = load(url=given)
    except ConfigurationError:  # somebody is writing it
        return
    if now is not None and now.url == config.url:
        yield dataclasses.replace(config, key=now.key, key_source=now.key_source)


def _by_file(path: Path) -> str:
    return f"the file {path}"


def write_key(key: ApiKey) -> Path:
    """Puts the key into the key file, in one step: readable by this user alone, no newline.

    The official client does not strip what it reads, so a newline would spoil the key for it.

    Raises:
        ConfigurationError: The file cannot be written.
    """
    path = key_file()
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.chmod(0o700)
        try:
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(key.reveal())
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                part.unlink()
            raise
    except OSError as error:
        raise ConfigurationError(
            f"The key file {path} cannot be written: {error.strerror}."
        ) from None
    return path


def is_private(path: Path) -> bool:
    """Whether nobody but its owner can read the file; true as well where there are no such bits."""
    try:
        return sys.platform == "win32" or not path.stat().st_mode & 0o077
    except OSError:
        return True


def normalise_url(address: str) -> str:
    """Base address without trailing slash.

    Raises:
        ConfigurationError: No scheme, credentials inside, a query, or plain http to elsewhere.
    """
    hint = f"Set {URL_VARIABLE} to an address such as {DEFAULT_URL}."
    try:
        parts = urlsplit(address.strip())
        number = parts.port
    except ValueError:
        raise ConfigurationError(
            "The service's address has a host or port that is none.", hint=hint
        ) from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError("The service's address needs http(s):// and a host.", hint=hint)
    if not _HOST.fullmatch(parts.hostname):
        raise ConfigurationError("The service's address has a host that is none.", hint=hint)
    if parts.username or parts.password:
        raise ConfigurationError("The service's address must not hold credentials.", hint=hint)
    if parts.query or parts.fragment:
        raise ConfigurationError("The service's address must not hold a query.", hint=hint)
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ConfigurationError(
            f"Plain http to {parts.hostname} would show the API key to the network.",
            hint="Use https; plain http is for this machine only.",
        )
    port = "" if number in (None, _PORTS[parts.scheme]) else f":{number}"
    host = parts.hostname.lower()
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}{port}{parts.path.rstrip('/')}"


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
