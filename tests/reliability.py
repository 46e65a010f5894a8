"""The catalogue of faults: which tests show each case, and how they ended.

`tests/faults.json` numbers the cases. A Python test says which ones it shows by
`@pytest.mark.fault(33, 34)`; a test of the views is named in the catalogue, by file and title.
`pytest --reliability docs/reliability.md` writes the table of a run. Results of tests that did not
run stay as the page has them, so that one file may be run alone.
"""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

TESTS = Path(__file__).parent
ROOT = TESTS.parent
PAGE = ROOT / "docs" / "reliability.md"
NOT_RUN = "not run"
_RANKS = ("failed", NOT_RUN, "passed", "skipped")  # what a row says of its tests, worst first


@dataclass(frozen=True)
class Case:
    number: int
    section: str
    case: str
    expected: str
    views: tuple[str, ...] = ()  # "browser/monitor.test.ts: title of the test"
    reason: str = ""  # why there is no test


def cases() -> list[Case]:
    """All cases of the catalogue, in order."""
    sections = json.loads((TESTS / "faults.json").read_text("utf-8"))
    return [
        Case(section=section["section"], **{**row, "views": tuple(row.get("views", ()))})
        for section in sections
        for row in section["cases"]
    ]


def marked_tests() -> dict[int, list[str]]:
    """Ids of the Python tests that carry each number, read from the sources."""
    found: dict[int, list[str]] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        name = path.relative_to(TESTS).as_posix()
        for node in ast.parse(path.read_text("utf-8")).body:
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            for number in sorted({n for mark in node.decorator_list for n in _numbers(mark)}):
                found.setdefault(number, []).append(f"{name}::{node.name}")
    return found


def _numbers(decorator: ast.AST) -> list[int]:
    return [
        ast.literal_eval(argument)
        for call in ast.walk(decorator)
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.mark.fault"
        for argument in call.args
    ]


def has_view_test(name: str) -> bool:
    """Whether `file: title` names a test of the views."""
    file, title = name.split(": ", 1)
    path = ROOT / "js" / "test" / file
    return path.is_file() and json.dumps(title, ensure_ascii=False) in path.read_text("utf-8")


class Recorder:
    """Plugin that writes the table when the run is over."""

    def __init__(self, page: Path, views: Path | None) -> None:
        self._page = page
        self._views = views
        self._numbers: dict[str, list[int]] = {}
        self._outcomes: dict[tuple[int, str], str] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            marks = item.iter_markers("fault")
            self._numbers[item.nodeid] = [n for mark in marks for n in mark.args]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" and report.passed:
            return
        test = report.nodeid.split("[")[0].removeprefix("tests/")
        for number in self._numbers.get(report.nodeid, ()):
            known = self._outcomes.get((number, test), "skipped")
            self._outcomes[number, test] = min(known, report.outcome, key=_RANKS.index)

    def pytest_sessionfinish(self) -> None:
        outcomes = recorded(self._page) | self._outcomes
        if self._views:
            outcomes |= _view_outcomes(self._views)
        write_block(self._page, "faults", table(outcomes))


def _view_outcomes(report: Path) -> dict[tuple[int, str], str]:
    """Outcomes of the tests of the views, from what `vitest --reporter=json` wrote."""
    ended: dict[str, list[tuple[str, str]]] = {}
    for file in json.loads(report.read_text("utf-8"))["testResults"]:
        name = file["name"].split("/js/test/")[-1]
        ended[name] = [(test["title"], test["status"]) for test in file["assertionResults"]]
    outcomes = {}
    for case in cases():
        for name in case.views:
            file, title = name.split(": ", 1)
            # Titles of `test.each` hold places for values.
            pattern = re.compile(re.sub(r"%[a-z]|\\\$\w+", ".*", re.escape(title)))
            states = [s for found, s in ended.get(file, ()) if pattern.fullmatch(found)]
            if states:
                good = all(state == "passed" for state in states)
                outcomes[case.number, f"js/test/{name}"] = "passed" if good else "failed"
    return outcomes


def tests_of(case: Case, marked: dict[int, list[str]]) -> list[str]:
    """Names of all tests of a case as the table shows them."""
    return [*marked.get(case.number, ()), *(f"js/test/{name}" for name in case.views)]


def table(outcomes: dict[tuple[int, str], str]) -> str:
    """The table of all cases in Markdown, a part for each section."""
    marked, section = marked_tests(), ""
    covered = sum(bool(tests_of(case, marked)) for case in cases())
    lines = [f"{covered} of {len(cases())} cases have a test."]
    for case in cases():
        if case.section != section:
            section = case.section
            lines += ["", f"### {section}", "", "| | Case | Expected | Tests | Result |"]
            lines += ["|---|---|---|---|---|"]
        tests = tests_of(case, marked)
        results = [outcomes.get((case.number, test), NOT_RUN) for test in tests]
        if len(set(results)) == 1:
            results = results[:1]
        shown = "<br>".join(f"`{test}`" for test in tests) or "–"
        result = "<br>".join(results) or case.reason
        cells = (str(case.number), case.case, case.expected, shown, result)
        lines.append(f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |")
    return "\n".join(lines).strip()


def recorded(page: Path) -> dict[tuple[int, str], str]:
    """Outcome by number and test as the page has them."""
    outcomes: dict[tuple[int, str], str] = {}
    for line in block(page, "faults").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if len(cells) != 5 or not cells[0].isdigit() or not cells[3].startswith("`"):
            continue
        tests = [test.strip("`").replace("&#124;", "|") for test in cells[3].split("<br>")]
        results = cells[4].split("<br>")
        if len(results) == 1:
            results *= len(tests)
        outcomes |= {
            (int(cells[0]), test): result for test, result in zip(tests, results, strict=True)
        }
    return outcomes


def block(page: Path, name: str) -> str:
    """What stands between `<!-- name -->` and `<!-- end of name -->`."""
    text = page.read_text("utf-8").partition(f"<!-- {name} -->")[2]
    return text.partition(f"<!-- end of {name} -->")[0]


def write_block(page: Path, name: str, text: str) -> None:
    """Replaces it."""
    start, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    head, _, rest = page.read_text("utf-8").partition(start)
    _, _, tail = rest.partition(end)
    page.write_text(f"{head}{start}\n{text}\n{end}{tail}", "utf-8")
