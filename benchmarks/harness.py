"""Measuring: interleaved repeats, medians, ratios within one run."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class Case:
    """One way of doing a thing; `run` does it once and returns what to report beside the time."""

    name: str
    run: Callable[[], dict[str, float]]
    seconds: list[float] = field(default_factory=list)
    facts: list[dict[str, float]] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Median time in seconds."""
        return statistics.median(self.seconds)

    def fact(self, name: str) -> float:
        """Median of a reported figure."""
        return statistics.median(facts[name] for facts in self.facts)


def measure(title: str, cases: list[Case], repeats: int = 5) -> list[Case]:
    """Runs the cases in turn, `repeats` times, so that a noisy moment hits all of them."""
    for _ in range(repeats):
        for case in cases:
            start = time.perf_counter()
            facts = case.run()
            # A case that ran elsewhere (a fresh process) times itself.
            case.seconds.append(facts.pop("seconds", time.perf_counter() - start))
            case.facts.append(facts)
    show(title, cases, repeats)
    return cases


def show(title: str, cases: list[Case], repeats: int) -> None:
    """Prints a Markdown table: medians, spread, and the ratio to the first case (ours)."""
    names = list(cases[0].facts[0])
    print(f"\n### {title}\n\nMedians of {repeats} interleaved repeats.\n")
    print("| way | median s | min – max | ours = 1 | " + " | ".join(names) + " |")
    print("|---|---|---|---|" + "---|" * len(names))
    for case in cases:
        spread = f"{min(case.seconds):.4f} – {max(case.seconds):.4f}"
        ratio = case.median / cases[0].median
        facts = " | ".join(
            f"{case.fact(name):,.6g}" if name in case.facts[0] else "" for name in names
        )
        print(f"| {case.name} | {case.median:.4f} | {spread} | {ratio:.2f} | {facts} |")
