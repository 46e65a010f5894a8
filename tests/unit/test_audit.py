"""`make audit`: what is not looked up is never called harmless."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "audit.py"
FINE = {"dependencies": [{"name": "click", "version": "8.1", "vulns": []}]}
SKIPPED = {"dependencies": [{"name": "click", "skip_reason": "not found"}]}
KNOWN = {
    "dependencies": [
        {
            "name": "click",
            "version": "8.1",
            "vulns": [{"id": "PYSEC-1", "fix_versions": ["8.2"]}],
        }
    ]
}
NODE_FINE = {"vulnerabilities": {}}
NODE_KNOWN = {"vulnerabilities": {"left-pad": {"range": "<2", "severity": "high"}}}


@pytest.fixture
def audit():
    spec = importlib.util.spec_from_file_location("audit", SCRIPT)
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.mark.parametrize(
    "case",
    [
        (FINE, NODE_FINE, 0, "Nothing is known against any pinned package."),
        (KNOWN, NODE_FINE, 1, "click 8.1: PYSEC-1, mended in 8.2"),
        (FINE, NODE_KNOWN, 1, "left-pad <2: high"),
        (SKIPPED, NODE_FINE, 2, "not complete"),
        (FINE, {"error": "no network"}, 2, "js/package-lock.json"),
        ({}, {}, 2, "Is there a network?"),
        (KNOWN, {}, 1, "not complete"),
    ],
)
def test_an_audit_says_what_it_knows(audit, monkeypatch, capsys, case):
    python, node, code, says = case
    monkeypatch.setattr(audit, "_json_of", lambda words, _: node if "npm" in words else python)

    assert audit.main() == code

    said = capsys.readouterr().out
    assert says in said
    assert ("Nothing is known" in said) == (code == 0)


def test_a_tool_that_fails_is_no_answer(audit, tmp_path):
    assert audit._json_of(["false"], tmp_path) == {}
    assert audit._json_of(["echo", "[]"], tmp_path) == {}
    assert audit._json_of(["echo", '{"dependencies": []}'], tmp_path) == {"dependencies": []}
