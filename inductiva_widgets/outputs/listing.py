"""The outputs in an archive as rows, and the one rule by which names choose among them."""

from __future__ import annotations

import difflib
import hashlib
import os
import re
from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from inductiva_widgets.errors import BadArchiveError, NotFoundError, UserInputError
from inductiva_widgets.formats import safe_text
from inductiva_widgets.outputs.archive import (
    MAX_LOCAL_HEADER_BYTES,
    OUTPUTS,
    TAIL_BYTES,
    Directory,
    DirectoryNeed,
    Layout,
    read_directory,
)
from inductiva_widgets.outputs.ranges import ByteRange, extent_ends

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from inductiva_widgets.outputs.remote import RemoteArchive, Version
    from inductiva_widgets.outputs.stop import Stop

__all__ = [
    "Listing",
    "Selection",
    "check_filenames",
    "make_listing",
    "named",
    "not_found",
    "read_listing",
    "select",
]

LEAST_HEADER_BYTES = 30
DESCRIPTOR_BYTES = 24
SUGGESTED_NAMES = 3
SUGGEST_FOR = 5
NAMED = 5  # names in a message
_ODD = re.compile(r"/[\0./]")  # a folder; a hidden name, `.` or `..`; a doubled slash
SUGGEST_AMONG = 20_000  # difflib compares one by one: more would be felt


@dataclass(frozen=True, slots=True, eq=False)
class Listing:
    """Output files as columns, in the order of the archive's directory.

    Attributes:
        names: Names relative to `layout.prefix`, e.g. `artifacts/`.
        sizes: Unpacked sizes in bytes.
        packed_sizes: Sizes in the archive.
        members: Row in `directory` by row here.
        folders: Names of the folders listed, each ending with `/`.
        version: Size and entity tag of the archive.
        revision: Short hash that changes with the archive; selections by row number refer to it.
        layout: What counts as a file: outputs or inputs.
    """

    directory: Directory
    version: Version
    names: list[str]
    sizes: array[int]
    packed_sizes: array[int]
    members: array[int]
    folders: list[str]
    revision: str
    layout: Layout = OUTPUTS
    _rows: dict[str, int] = field(default_factory=dict)
    _parents: set[str] = field(default_factory=set)
    _ends: list[int | None] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def archive_bytes(self) -> int:
        """Size of the whole archive."""
        return self.version.total_bytes

    @property
    def etag(self) -> str | None:
        """Strong entity tag of the archive."""
        return self.version.etag

    def rows(self, name: str) -> list[int]:
        """Rows that have exactly this name: none, one, or several in an odd archive."""
        if not self._rows:
            rows = reversed(range(len(self.names)))  # of several the first one stays
            self._rows.update(zip(reversed(self.names), rows, strict=True))
        first = self._rows.get(name)
        if first is None:
            return []
        if len(self._rows) == len(self.names):
            return [first]
        return [row for row in range(first, len(self.names)) if self.names[row] == name]

    def is_folder(self, name: str) -> bool:
        """Whether outputs lie below `name` (without its last `/`)."""
        return name in self.parents()

    def parents(self) -> set[str]:
        """Folders with something below them, without their last `/`."""
        if not self._parents:
            for parent in {name.rpartition("/")[0] for name in (*self.names, *self.folders)}:
                above = parent
                while above and above not in self._parents:
                    self._parents.add(above)
                    above = above.rpartition("/")[0]
        return self._parents

    @property
    def ends(self) -> list[int | None]:
        """End of each directory row's extent; `None` where the archive contradicts itself.

        Found when it is first asked for: a list of files that is only shown needs none.
        """
        if not self._ends:
            packed_sizes = self.directory.packed_sizes
            slack = MAX_LOCAL_HEADER_BYTES + DESCRIPTOR_BYTES
            # At once, not bit by bit: threads may ask at the same time.
            self._ends[:] = extent_ends(
                self.directory.offsets,
                [LEAST_HEADER_BYTES + packed for packed in packed_sizes],
                [slack + packed for packed in packed_sizes],
                self.directory.start,
            )
        return self._ends

    def extent(self, row: int) -> ByteRange | None:
        """Bytes that hold a row's member, header included; `None` where nobody can tell."""
        index = self.members[row]
        end = self.ends[index]
        return None if end is None else ByteRange(self.directory.offsets[index], end)


@dataclass(frozen=True, slots=True)
class Selection:
    """Rows chosen, in order, each once; and the names that chose nothing, with what is close."""

    rows: list[int]
    missing: dict[str, list[str]]


def read_listing(
    remote: RemoteArchive, stop: Stop | None = None, layout: Layout = OUTPUTS
) -> Listing:
    """Reads the directory of an archive: one request, two when it has more than ~1,500 members."""
    window = remote.tail(TAIL_BYTES, stop)
    version = remote.version
    if version is None:
        raise AssertionError
    return make_listing(
        window,
        version,
        lambda need: remote.read_wide(ByteRange(need.start, need.end), stop),
        layout,
    )


def make_listing(
    window: bytes,
    version: Version,
    fetch: Callable[[DirectoryNeed], bytes],
    layout: Layout = OUTPUTS,
) -> Listing:
    """Listing of the archive that ends with `window`; `fetch` gets what else is needed."""
    for _ in range(3):  # end record of zip64, then the directory
        directory = read_directory(window, version.total_bytes)
        if isinstance(directory, Directory):
            return _listing(directory, version, layout)
        window = fetch(directory) + window
    raise BadArchiveError("The archive's end records lead nowhere.")


def _listing(directory: Directory, version: Version, layout: Layout) -> Listing:
    names, members, folders = _files(directory, layout)
    pin = f"{version.etag}|{version.total_bytes}|{directory.digest}"
    return Listing(
        directory,
        version,
        names,
        _rows_of(directory.sizes, members),
        _rows_of(directory.packed_sizes, members),
        members,
        folders,
        hashlib.sha256(pin.encode()).hexdigest()[:12],
        layout,
    )


def _rows_of(column: array[int], members: array[int]) -> array[int]:
    if len(members) == len(column):  # the same rows, which nobody changes
        return column
    return array(column.typecode, map(column.__getitem__, members))


def _files(directory: Directory, layout: Layout) -> tuple[list[str], array[int], list[str]]:
    """Names of the files, their rows in the directory, and names of the folders."""
    together = "\0".join(["", *directory.names, ""])
    prefixed = f"\0{layout.prefix}"
    is_plain = together.count(prefixed) == together.count("\0") - 1 == len(directory)
    if is_plain and _ODD.search(together) is None:
        # As in nearly all archives without entries for folders: no name needs a look of its own.
        names = together[:-1].split(prefixed)[1:]
        return names, array("L", range(len(names))), []
    return _looked_at(directory, layout)


def _looked_at(directory: Directory, layout: Layout) -> tuple[list[str], array[int], list[str]]:
    names: list[str] = []
    members = array("L")
    folders: list[str] = []
    prefix, start = layout.prefix, len(layout.prefix)
    for index, member_name in enumerate(directory.names):
        is_inside = member_name.startswith(prefix)  # as nearly all: not one call more for each
        name = member_name[start:] if is_inside else layout.name(member_name)
        if not name or (not is_inside and f"{prefix}{name}" in directory.names):
            continue
        if "/." in name or "//" in name or name[0] in "./":
            name = _tidy(name)
        if name[-1] == "/":
            folders.append(name)
        else:
            names.append(name)
            members.append(index)
    return names, members, folders


def _tidy(name: str) -> str:
    """`a/./b//c` as it will be on disk and is asked for; what is to be refused stays as it is."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name[0] == "/" or ".." in parts or not parts:
        return name
    return "/".join(parts) + ("/" if name.endswith("/") else "")


def check_filenames(filenames: Sequence[str] | None) -> list[str] | None:
    """Names as `select` takes them, each once; checked before any request leaves.

    Raises:
        UserInputError: No name at all, or one that is absolute, holds `..`, or is no text.
    """
    if filenames is None:
        return None
    given: Iterable[object] = (
        [filenames] if isinstance(filenames, (str, os.PathLike)) else filenames
    )
    checked: dict[str, None] = {}
    for item in given:
        if not isinstance(item, (str, os.PathLike)):
            raise UserInputError(f"A file name is text, not {type(item).__name__}.")
        checked[_normalised(os.fspath(item))] = None
    if not checked:
        raise UserInputError(
            "No file names given.", hint="Leave `filenames` out to download everything."
        )
    return list(checked)


def _normalised(name: object) -> str:
    if not isinstance(name, str):
        raise UserInputError("A file name is text, not bytes.")
    shown = safe_text(name)
    if not name or "\0" in name:
        raise UserInputError(f"{shown or 'The empty text'} is no file name.")
    if name[0] in "/\\" or re.match(r"[A-Za-z]:[\\/]", name):
        raise UserInputError(
            f"{shown} is an absolute path.", hint="Outputs are named relative to the archive."
        )
    if ".." in re.split(r"[/\\]", name):
        raise UserInputError(
            f"{shown} leads out of the outputs.",
            hint="Name files inside them; output_dir= says where they go.",
        )
    parts = [part for part in name.split("/") if part not in ("", ".")]
    return "/".join(parts) + ("/" if not parts or name.endswith(("/", "/.")) else "")


def select(listing: Listing, filenames: Sequence[str]) -> Selection:
    """Outputs that the given names choose; `filenames` as `check_filenames` gives them.

    A name is, in this order: an output's exact name; a folder (`vtk/` or `vtk`: all below it); a
    glob, in which `*` and `?` stop at `/`, `**` does not, and a last `/` means all below the
    folders that fit. When it chooses nothing so, the same is tried without a leading `artifacts/`,
    then with backslashes as `/`.
    """
    chosen: dict[int, None] = {}
    missing: dict[str, list[str]] = {}
    for name in filenames:
        for attempt in _readings(name, listing.layout.prefix):
            rows = _matches(listing, attempt)
            if rows:
                chosen.update(dict.fromkeys(rows))
                break
        else:
            few = len(missing) < SUGGEST_FOR
            missing[name] = _closest(listing, name) if few else []
    return Selection(sorted(chosen), missing)


def _readings(name: str, prefix: str) -> list[str]:
    readings = [name, name.removeprefix(prefix) or "/"]
    readings += [reading.replace("\\", "/") for reading in readings]
    return list(dict.fromkeys(readings))


def _matches(listing: Listing, name: str) -> Sequence[int]:
    if name == "/":
        return range(len(listing))
    rows = listing.rows(name)
    if rows:
        return rows
    folder = name.rstrip("/")
    if listing.is_folder(folder):
        return [i for i, listed in enumerate(listing.names) if listed.startswith(f"{folder}/")]
    if re.search(r"[*?\[]", name):
        pattern = _glob(name)
        return [i for i, listed in enumerate(listing.names) if pattern.fullmatch(listed)]
    return []


def _glob(pattern: str) -> re.Pattern[str]:
    """`fnmatch` knows no folders: its `*` would take `vtk/a` for `*`."""
    parts: list[str] = []
    for item in re.findall(r"\*\*/|\*+|\?|\[!?\]?[^\]/]*\]|.", pattern, re.DOTALL):
        if item == "**/":
            parts.append("(?:.*/)?")
        elif item[0] == "*":
            parts.append("[^/]*" if len(item) == 1 else ".*")
        elif item == "?":
            parts.append("[^/]")
        elif len(item) > 1:
            negated = item[1] == "!"
            inside = re.sub(r"([\\\[\]^&~|])", r"\\\1", item[2 if negated else 1 : -1])
            parts.append(f"[^/{inside}]" if negated else f"(?!/)[{inside}]")
        else:
            parts.append(re.escape(item))
    return re.compile("".join(parts) + (".*" if pattern.endswith("/") else ""), re.DOTALL)


def _closest(listing: Listing, name: str) -> list[str]:
    among = listing.names[:SUGGEST_AMONG]
    wanted = name.removeprefix(listing.layout.prefix)
    found = difflib.get_close_matches(wanted, among, n=SUGGESTED_NAMES, cutoff=0.6)
    if not found:  # the file is there, in another folder
        base = wanted.rstrip("/").rpartition("/")[2]
        found = [listed for listed in among if listed.rpartition("/")[2] == base][:SUGGESTED_NAMES]
    return found


def named(names: Sequence[str]) -> str:
    """The first of many names, for a message."""
    shown = ", ".join(safe_text(name) for name in names[:NAMED])
    more = len(names) - NAMED
    return f"{shown} and {more} more" if more > 0 else shown


def not_found(missing: dict[str, list[str]], *, has_others: bool = False) -> NotFoundError:
    """Names that chose nothing, as an error that tells what is close to them.

    Args:
        missing: As in a `Selection`.
        has_others: Whether other files were asked for, and delivered.
    """
    closest = list(dict.fromkeys(name for close in missing.values() for name in close))
    hints = ["The list of its files shows which names there are."]
    if closest:
        hints = [f"Close to it: {', '.join(map(safe_text, closest[:NAMED]))}."]
    if has_others:
        hints.append("The other files were delivered.")
    return NotFoundError(
        f"Not in the archive: {named(list(missing))}.", hint=" ".join(hints), missing=tuple(missing)
    )
