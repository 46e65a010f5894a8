"""The catalogue of faults, the marks of tests and the committed table say the same."""

from __future__ import annotations

import re

import mutations
import pytest
import reliability
from reliability import PAGE, block

LEAST_COVERED = 115


@pytest.fixture(scope="module")
def cases():
    return reliability.cases()


@pytest.fixture(scope="module")
def marked():
    return reliability.marked_tests()


def test_the_cases_are_numbered_without_a_gap(cases):
    assert [case.number for case in cases] == list(range(1, 127))
    assert all(case.case and case.expected for case in cases)


def test_every_mark_names_a_case(cases, marked):
    assert set(marked) <= {case.number for case in cases}


def test_every_test_of_the_views_that_is_named_exists(cases):
    named = [name for case in cases for name in case.views]

    assert [name for name in named if not reliability.has_view_test(name)] == []


def test_every_case_has_a_test_or_a_reason(cases, marked):
    covered = [case for case in cases if reliability.tests_of(case, marked)]

    assert [c.number for c in cases if c not in covered and not c.reason] == []
    assert [c.number for c in covered if c.reason] == []
    assert len(covered) >= LEAST_COVERED


def test_the_committed_table_is_that_of_the_marks(cases, marked):
    """`make reliability` renews it."""
    told = reliability.recorded(PAGE)
    expected = {(case.number, t) for case in cases for t in reliability.tests_of(case, marked)}

    assert set(told) == expected
    assert reliability.table(told) in PAGE.read_text("utf-8")


def test_the_committed_results_are_good():
    """Of what only `make test-full` runs the table may say that it was not run."""
    told = reliability.recorded(PAGE)

    assert [test for test, result in told.items() if result == "failed"] == []
    passed = {number for (number, _), result in told.items() if result == "passed"}
    assert {number for number, _ in told} - passed == set()


def test_every_guard_that_was_broken_turned_a_test_red():
    """`make mutations` breaks them anew."""
    rows = re.findall(r"^\| (\d+) \| .* \| (\S+) \|$", block(PAGE, "mutations"), re.MULTILINE)

    assert len(rows) >= 20
    assert {result for _, result in rows} == {"red"}


def test_every_guard_looks_as_its_mutation_expects():
    for mutation in mutations.MUTATIONS:
        first = (mutation.module, mutation.old, mutation.new)
        for module, old, _ in filter(None, (first, mutation.also)):
            text = (mutations.ROOT / mutations.PACKAGE / module).read_text("utf-8")
            assert text.count(old) == 1, mutation.guard
