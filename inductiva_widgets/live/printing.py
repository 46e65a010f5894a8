"""Lines of files for a terminal, in the frame of the official client."""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING

from inductiva_widgets.formats import safe_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from inductiva_widgets.live.following import Following, LiveEnd
    from inductiva_widgets.live.live import Live

__all__ = ["follow_files", "framed", "harmless"]

RED, BLUE, RESET = "\033[31m", "\033[34m", "\033[0m"
LONGEST_LINE = 100_000
WAIT_S = 0.2  # so that Ctrl-C is heard


def harmless(line: str) -> str:
    """A line without what would steer the terminal; tabs stay."""
    shown = line.rpartition("\r")[2] if not line.endswith("\r") else line[:-1].rpartition("\r")[2]
    return "\t".join(safe_text(part, LONGEST_LINE) for part in shown.split("\t"))


def framed(
    lines: Sequence[str], filename: str, *, open_ended: bool = False, colour: bool = False
) -> str:
    """Lines behind a bar, red for stderr and blue for others.

    Args:
        lines: The lines.
        filename: Where they are from.
        open_ended: Whether more may follow: without head and foot.
        colour: Whether the bar has its colour.
    """
    start, stop = (RED if filename == "stderr.txt" else BLUE, RESET) if colour else ("", "")
    body = [f"{start}│{stop}{harmless(line)}" for line in lines]
    if open_ended:
        return "\n".join(body)
    head = f"{start}┌{stop} (last {len(lines)} lines from {safe_text(filename)})"
    return "\n".join([head, *body, f"{start}└{stop}"])


def follow_files(  # noqa: PLR0913 - what is followed, how, and for whom
    live: Live,
    task_id: str,
    filenames: Sequence[str],
    show: Callable[[str, Sequence[str]], object],
    *,
    lines: int,
    wait: bool,
) -> dict[str, LiveEnd]:
    """Follows files on the caller's thread until all have ended; how each of them did.

    Args:
        live: Of the task's backend.
        task_id: The task.
        filenames: The files.
        show: Takes a file's name and new lines of it.
        lines: How many lines to begin with.
        wait: Whether a task or files that are not there yet are waited for.

    Raises:
        InductivaWidgetsError: What kept the first of the files from being followed at all.
    """
    names = list(dict.fromkeys(filenames))
    news: queue.SimpleQueue[tuple[str, Sequence[str] | LiveEnd]] = queue.SimpleQueue()
    ends: dict[str, LiveEnd] = {}
    followers: list[Following] = []
    try:
        for name in names:  # one by one: a bad name must not leave the others followed
            followers.append(_follow(live, task_id, name, news, lines=lines, wait=wait))  # noqa: PERF401
        while len(ends) < len(names):
            try:
                name, found = news.get(timeout=WAIT_S)
            except queue.Empty:
                continue
            if isinstance(found, list | tuple):
                show(name, found)
            else:
                ends[name] = found  # type: ignore[assignment]  # the other kind of news
    finally:
        for following in followers:
            following.close()
    for end in ends.values():
        if end.error is not None:
            raise end.error
    return ends


def _follow(  # noqa: PLR0913 - as `Live.follow`
    live: Live,
    task_id: str,
    name: str,
    news: queue.SimpleQueue[tuple[str, Sequence[str] | LiveEnd]],
    *,
    lines: int,
    wait: bool,
) -> Following:
    return live.follow(
        task_id,
        name,
        lines=lines,
        wait=wait,
        on_lines=lambda found: news.put((name, found)),
        on_end=lambda end: news.put((name, end)),
    )
