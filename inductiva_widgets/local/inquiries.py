"""Requests of clients, validated: every fault has a place and a reason, as in a reply 422."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from inductiva_widgets.local.statuses import STATUSES
from inductiva_widgets.local.store import SORT_COLUMNS, PageQuery

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "Export",
    "Fault",
    "InvalidRequestError",
    "StorageQuery",
    "export_request",
    "long_poll_s",
    "operations_page",
    "page_query",
    "required",
    "storage_query",
    "string_map",
    "submission",
]

JsonObject = dict[str, Any]
FORBIDDEN_IN_COMMANDS = "|><&;?~$"
LARGEST_PAGE = 500
LARGEST_STORAGE_PAGE = 100
LARGEST_OPERATIONS_PAGE = 50
MOST_PARTS = 10_000  # of a multipart upload, at the store that this is made for
LARGEST_NUMBER = 2**31
LONGEST_LIMIT_S = 10**9
LONGEST_POLL_S = 60
USUAL_POLL_S = 30


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a request."""

    place: tuple[str | int, ...]
    message: str
    kind: str = "value_error"

    def to_json(self) -> JsonObject:
        """An entry of `detail` in the reply 422."""
        return {"loc": list(self.place), "msg": self.message, "type": self.kind}


class InvalidRequestError(Exception):
    """A request that does not fit its description; becomes a 422."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__("; ".join(fault.message for fault in faults))
        self.faults = faults


class _Checker:
    """Collects faults, so that one reply names all of them."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def fault(self, place: tuple[str | int, ...], message: str) -> None:
        self.faults.append(Fault(place, message))

    def raise_if_any(self) -> None:
        if self.faults:
            raise InvalidRequestError(*self.faults)

    def text(self, body: JsonObject, name: str, default: str | None = None) -> str:
        value = body.get(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, str) or (default is None and not value) or "\0" in value:
            self.fault(
                ("body", name), "a non-empty text is required" if not value else "not a text"
            )
            return ""
        return value

    def flag(self, body: JsonObject, name: str, *, default: bool) -> bool:
        value = body.get(name)
        if value is not None and not isinstance(value, bool):
            self.fault(("body", name), "true or false is required")
        return default if value is None else bool(value)

    def texts(self, value: object, place: tuple[str | int, ...]) -> list[str]:
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self.fault(place, "a list of texts is required")
            return []
        return list(value)

    def integer(self, text: str | None, name: str, default: int, largest: int) -> int:
        if text is None:
            return default
        number = (
            int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(largest)) else 0
        )
        if not 1 <= number <= largest:
            self.fault(("query", name), f"a whole number from 1 to {largest} is required")
        return number

    def choice(self, text: str | None, name: str, choices: Sequence[str]) -> str | None:
        if text is not None and text not in choices:
            self.fault(("query", name), f"one of {', '.join(choices)} is required")
        return text

    def boolean(self, text: str | None, name: str) -> bool | None:
        self.choice(text, name, ("true", "false"))
        return None if text is None else text == "true"


def page_query(query: Mapping[str, str], sort: Sequence[str]) -> PageQuery:
    """Query of `GET /tasks`."""
    check = _Checker()
    orders: list[tuple[str, bool]] = []
    for item in sort:
        name, _, direction = item.partition(":")
        if name not in SORT_COLUMNS or direction not in ("asc", "desc"):
            check.fault(("query", "sort"), f"{item[:100]!r} is not <field>:asc or <field>:desc")
        else:
            orders.append((name, direction == "desc"))
    found = PageQuery(
        page=check.integer(query.get("page"), "page", 1, LARGEST_NUMBER),
        per_page=check.integer(query.get("per_page"), "per_page", 10, LARGEST_PAGE),
        status=check.choice(query.get("status"), "status", tuple(STATUSES)),
        project=query.get("project"),
        active=check.boolean(query.get("active"), "active"),
        id_part=query.get("task_id_filter"),
        sort=orders,
    )
    check.raise_if_any()
    return found


@dataclass(frozen=True, slots=True)
class StorageQuery:
    """Query of `GET /storage/contents`."""

    path: str
    sort_by: str
    descending: bool
    recursive: bool
    page: int
    per_page: int
    path_filter: str


def storage_query(query: Mapping[str, str]) -> StorageQuery:
    """Query of `GET /storage/contents`."""
    check = _Checker()
    sort_by = check.choice(query.get("sort_by"), "sort_by", ("creation_time", "size", "name"))
    order = check.choice(query.get("order"), "order", ("asc", "desc"))
    found = StorageQuery(
        path=query.get("path", "/"),
        sort_by=sort_by or "creation_time",
        descending=(order or "desc") == "desc",
        recursive=check.boolean(query.get("recursive"), "recursive") or False,
        page=check.integer(query.get("page"), "page", 1, LARGEST_NUMBER),
        per_page=check.integer(query.get("per_page"), "per_page", 10, LARGEST_STORAGE_PAGE),
        path_filter=query.get("path_filter", ""),
    )
    check.raise_if_any()
    return found


def operations_page(query: Mapping[str, str]) -> tuple[int, int]:
    """Page and entries per page of `GET /storage/operations`."""
    check = _Checker()
    page = check.integer(query.get("page"), "page", 1, LARGEST_NUMBER)
    per_page = check.integer(query.get("per_page"), "per_page", 10, LARGEST_OPERATIONS_PAGE)
    check.raise_if_any()
    return page, per_page


@dataclass(frozen=True, slots=True)
class Export:
    """Body of `POST /storage/export_multipart`; its addresses are signed, and so secret."""

    path: str
    part_bytes: int
    part_numbers: tuple[int, ...]
    part_urls: tuple[str, ...] = field(repr=False)
    complete_url: str = field(repr=False)


def export_request(body: object) -> Export:
    """Body of `POST /storage/export_multipart`."""
    if not isinstance(body, dict):
        raise InvalidRequestError(Fault(("body",), "an object is required"))
    check = _Checker()
    size = body.get("parts_size")
    if type(size) is not int or size < 1:
        check.fault(("body", "parts_size"), "a whole number above 0 is required")
        size = 1
    parts = body.get("upload_parts")
    if (
        not isinstance(parts, list)
        or not 1 <= len(parts) <= MOST_PARTS
        or not all(
            isinstance(part, dict)
            and type(part.get("part_number")) is int
            and isinstance(part.get("part_url"), str)
            for part in parts
        )
    ):
        check.fault(("body", "upload_parts"), "a list of part_number and part_url is required")
        parts = []
    found = Export(
        path=check.text(body, "path"),
        part_bytes=size,
        part_numbers=tuple(part["part_number"] for part in parts),
        part_urls=tuple(part["part_url"] for part in parts),
        complete_url=check.text(body, "complete_multipart_url"),
    )
    check.raise_if_any()
    return found


def required(query: Mapping[str, str], *names: str) -> list[str]:
    """Values of query parameters that must be there."""
    check = _Checker()
    for name in names:
        if name not in query:
            check.faults.append(Fault(("query", name), "field required", "missing"))
    check.raise_if_any()
    return [query[name] for name in names]


def long_poll_s(query: Mapping[str, str]) -> int:
    """Seconds that a `GET …/message` may wait."""
    check = _Checker()
    text = query.get("block_s")
    seconds = 0 if text == "0" else check.integer(text, "block_s", USUAL_POLL_S, LONGEST_POLL_S)
    check.raise_if_any()
    return seconds


def string_map(body: object) -> dict[str, str]:
    """An object of non-empty texts (`POST /tasks/{id}/metadata`)."""
    if not isinstance(body, dict):
        raise InvalidRequestError(Fault(("body",), "an object is required"))
    check = _Checker()
    for name, value in body.items():
        if not name or not isinstance(value, str) or not value:
            check.fault(("body", name), "keys and values must be non-empty texts")
    check.raise_if_any()
    return dict(body)


def submission(body: object) -> JsonObject:
    """Body of `POST /tasks/submit`, with every default filled in."""
    if not isinstance(body, dict):
        raise InvalidRequestError(Fault(("body",), "an object is required"))
    check = _Checker()
    limit_s = body.get("time_to_live_seconds")
    if limit_s is not None and not _is_duration(limit_s):
        check.fault(
            ("body", "time_to_live_seconds"),
            f"a number above 0, up to {LONGEST_LIMIT_S}, is required",
        )
    extra = body.get("extra_params")
    commands: list[JsonObject] = []
    if not isinstance(extra, dict):
        check.fault(("body", "extra_params"), "an object is required")
        extra = {}
    else:
        commands = _commands(extra.get("commands"), check)
    found = {
        "simulator": check.text(body, "simulator"),
        "simulator_name_alias": check.text(body, "simulator_name_alias", ""),
        "resource_pool": check.text(body, "resource_pool"),
        "container_image": check.text(body, "container_image"),
        "storage_path_prefix": check.text(body, "storage_path_prefix", ""),
        "project": check.text(body, "project", "") or "default",
        "time_to_live_seconds": limit_s,
        "resubmit_on_preemption": check.flag(body, "resubmit_on_preemption", default=False),
        "input_resources": check.texts(body.get("input_resources"), ("body", "input_resources")),
        "stream_zip": check.flag(body, "stream_zip", default=True),
        "compress_with": check.text(body, "compress_with", "SEVEN_Z"),
        "extra_params": extra,
        "commands": commands,
    }
    if found["compress_with"] not in ("AUTO", "SEVEN_Z"):
        check.fault(("body", "compress_with"), "AUTO or SEVEN_Z is required")
    check.raise_if_any()
    return found


def _is_duration(value: object) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and 0 < value <= LONGEST_LIMIT_S  # type: ignore[operator]  # a number now


def _commands(value: object, check: _Checker) -> list[JsonObject]:
    place = ("body", "extra_params", "commands")
    if not isinstance(value, list) or not value:
        check.fault(place, "a list of at least one command is required")
        return []
    return [_command(item, (*place, number), check) for number, item in enumerate(value)]


def _command(item: object, place: tuple[str | int, ...], check: _Checker) -> JsonObject:
    if not isinstance(item, dict) or not isinstance(item.get("cmd"), str):
        check.fault((*place, "cmd"), "a text is required")
        return {}
    problem = _command_problem(item["cmd"])
    if problem:
        check.fault((*place, "cmd"), problem)
    environment = item.get("env") or {}
    if not isinstance(environment, dict) or not all(
        isinstance(text, str) and "\0" not in text and name and not set(name) & {"=", "\0"}
        for name, text in environment.items()
    ):
        check.fault((*place, "env"), "an object of texts is required")
    mpi = item.get("mpi_config")
    if mpi is not None and not (isinstance(mpi, dict) and isinstance(mpi.get("options", {}), dict)):
        check.fault((*place, "mpi_config"), "an object with options is required")
    return {
        "cmd": item["cmd"],
        "prompts": check.texts(item.get("prompts"), (*place, "prompts")),
        "mpi_config": mpi,
        "env": environment,
    }


def _command_problem(text: str) -> str:
    odd = sorted({mark for mark in FORBIDDEN_IN_COMMANDS if mark in text})
    if odd or "\0" in text:
        return f"a command is run without a shell and cannot hold {' '.join(odd) or 'NUL'}"
    try:
        argv = shlex.split(text)
    except ValueError as error:
        return f"the command cannot be split into words: {error}"
    return "" if argv and argv[0] else "the command is empty"
