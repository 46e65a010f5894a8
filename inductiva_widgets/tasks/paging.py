"""The task list page by page: on several threads, each task once, whatever changes meanwhile."""

from __future__ import annotations

import itertools
import logging
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from inductiva_widgets.errors import BadPayloadError
from inductiva_widgets.workers import DaemonPool, result_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future

__all__ = ["PAGE_LIMIT", "Page", "read"]

log = logging.getLogger(__name__)

PAGE_LIMIT = 2000  # a million tasks
READINGS = 4  # of a page after the first, while tasks come and go between the pages
THREADS = 10  # 10,000 tasks at 80 ms are the first page and two rounds of ten

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page: the ids on it, how many rows it had, and the total that it gave."""

    total: int
    ids: Sequence[str]
    rows: int
    content: T


def read(
    ask: Callable[[int, int], Page[T]],
    per_page: int,
    wanted: int | None,
    stop: Callable[[Page[T]], bool] = lambda _: False,
    *,
    page_limit: int = PAGE_LIMIT,
) -> list[Page[T]]:
    """Pages that together hold each task at least once, the newest first.

    New tasks push others to the next page, and removed ones pull them back, which shows in the
    total. Pages with another total than the newest are read again.

    Args:
        ask: Fetches a page, by number from 1 and rows a page; called on several threads.
        per_page: Rows to ask for.
        wanted: How many tasks are enough; `None` for all.
        stop: Called with each page in order; true: the pages after it do not matter.
        page_limit: Where a list is taken for endless.

    Raises:
        BadPayloadError: The list has no end.
    """
    reading = _Reading(ask, per_page, wanted, page_limit)
    with DaemonPool(THREADS, "inductiva-list") as pool:
        stopped = reading.forward(pool, stop)
        older = reading.settle(pool, whole=wanted is None and not stopped)
    if not stopped:
        reading.complain(older)
    return [*reading.pages.values(), *older]


class _Reading(Generic[T]):
    """The pages of one list so far, by number."""

    def __init__(
        self,
        ask: Callable[[int, int], Page[T]],
        per_page: int,
        wanted: int | None,
        page_limit: int,
    ) -> None:
        self.pages: dict[int, Page[T]] = {}
        self._seen: set[str] = set()
        self._ask = ask
        self._per_page = per_page
        self._wanted = wanted
        self._page_limit = page_limit
        self._answers = itertools.count()  # orders the answers, whichever thread got them
        self._answered: dict[int, int] = {}

    def _fetch(self, number: int) -> Page[T]:
        page = self._ask(number, self._per_page)
        self._answered[number] = next(self._answers)
        return page

    def forward(self, pool: DaemonPool, stop: Callable[[Page[T]], bool]) -> bool:
        """Reads on until the list ends or enough is there; whether it was stopped."""
        total: int | None = None
        for number, page in self._in_order(pool):
            self.pages[number] = page
            before = len(self._seen)
            self._seen.update(page.ids)
            # A page without news ends it, whatever the total says: it may lie; unless so many
            # tasks arrived that they fill a page. A short page alone does not end it: the service
            # may send fewer a page than asked for.
            is_old = len(self._seen) == before and (page.rows == 0 or page.total == total)
            is_short = page.rows < self._per_page and len(self._seen) >= page.total
            if is_old or is_short or self._has_enough():
                return False
            if stop(page):
                return True
            total = page.total
        raise BadPayloadError(
            "The service lists tasks without end.", hint="Ask for fewer with last_n."
        )

    def _has_enough(self) -> bool:
        return self._wanted is not None and len(self._seen) >= self._wanted

    def _in_order(self, pool: DaemonPool) -> Iterator[tuple[int, Page[T]]]:
        """Pages by number; those that the first one promises are fetched ahead."""
        first = self._fetch(1)
        yield 1, first
        ahead: deque[Future[Page[T]]] = deque()
        asked, promised = 1, self._promised(first)
        for number in range(2, self._page_limit + 1):
            while asked < min(max(number, promised), number + THREADS - 1):
                asked += 1
                ahead.append(pool.submit(self._fetch, asked))
            yield number, result_of(ahead.popleft())

    def _promised(self, first: Page[T]) -> int:
        """Pages that there are by the first one; 1 where its total is none that can be."""
        tasks = first.total if self._wanted is None else min(first.total, self._wanted)
        # One more than full pages: only a page that is not full ends the list.
        pages = tasks // max(1, first.rows) + (
            self._wanted is None or tasks % max(1, first.rows) > 0
        )
        return pages if 0 < pages <= self._page_limit else 1

    def settle(self, pool: DaemonPool, *, whole: bool) -> list[Page[T]]:
        """Reads pages again until all give the same total; returns older ones if they never do.

        `whole`: tasks that were pushed behind the last page are wanted as well.
        """
        older: list[Page[T]] = []
        for _ in range(READINGS):
            newest = self.pages[max(self.pages, key=self._answered.__getitem__)].total
            doubtful = [number for number, page in self.pages.items() if page.total != newest]
            if not doubtful:
                return []
            older.extend(self.pages[number] for number in doubtful)
            again = zip(doubtful, pool.map(self._fetch, doubtful), strict=True)
            self.pages.update(again)
            last = max(self.pages)
            if whole and self.pages[last].rows >= self._per_page:
                self.pages[last + 1] = self._fetch(last + 1)
        return older

    def complain(self, older: list[Page[T]]) -> None:
        """Logs a warning when the service returned fewer tasks than it counts."""
        everything = [*self.pages.values(), *older]
        found = len({task_id for page in everything for task_id in page.ids})
        total = min(page.total for page in everything)
        missing = (total if self._wanted is None else min(total, self._wanted)) - found
        if missing > 0:
            log.warning("The list of tasks is incomplete: %d are missing.", missing)
