"""The real official package and ours in one process: neither changes what the other says."""

from __future__ import annotations

import sysconfig

import pytest
from conftest import HERE

OURS = HERE.parents[1]
# The official client's own requirements come first; of ours only what it does not bring.
SCRIPT = """
import logging, sys
for line in ORDER:
    exec(line)
iw.connect(local=None)
print(iw.tasks.list(last_n=3).columns.tolist())
print(iw.Task("a" * 25))
try:
    iw.Task("a" * 25).get_status()
except iw.InductivaWidgetsError as error:
    print(type(error).__name__, error)
log = logging.getLogger("inductiva_widgets")
print(log.handlers, log.level, log.propagate)
iw.Task("no id!")
"""
IMPORTS = {
    "alone": ["import inductiva_widgets as iw"],
    "after": ["import inductiva", "import inductiva_widgets as iw"],
    "before": ["import inductiva_widgets as iw", "iw.tasks", "import inductiva"],
}


def say(official, order):
    paths = [HERE / "loopback_only", OURS]
    code = f"ORDER = {IMPORTS[order]!r}\nsys_path = {sysconfig.get_path('purelib')!r}\n"
    code += "import sys\nsys.path.append(sys_path)\n" + SCRIPT
    return official.python(
        "-c",
        code,
        PYTHONPATH=":".join(map(str, paths)),
        INDUCTIVA_DISABLE_IMPORT_INFO="true",
    )


@pytest.fixture(scope="module")
def alone(official):
    done = say(official, "alone")
    assert "NotFoundError" in done.stdout, done.stderr
    assert "is no task id" in done.stderr
    return done


@pytest.mark.parametrize("order", ["after", "before"])
def test_the_official_package_changes_nothing_of_ours(official, alone, order):
    together = say(official, order)

    assert together.stdout == alone.stdout
    assert together.returncode == alone.returncode
    # The traceback of an error nobody caught ends with our sentence, whoever prints it.
    assert together.stderr.strip().splitlines()[-1] == alone.stderr.strip().splitlines()[-1]
