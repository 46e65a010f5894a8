"""The classes of errors: what they are, what they say, what they carry."""

from __future__ import annotations

import copy
import pickle

import pytest

from inductiva_widgets import errors
from inductiva_widgets.errors import InductivaWidgetsError

CLASSES = [getattr(errors, name) for name in errors.__all__]


def test_every_error_of_the_module_is_public_and_drawn_in_the_tree():
    found = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, Exception)
    }

    assert found == set(errors.__all__)
    drawn = errors.__doc__
    for name in found:
        assert name in drawn, name


def test_the_drawn_tree_is_the_real_one():
    path: list[str] = []
    for line in errors.__doc__.splitlines():
        words = line.replace("│", " ").replace("├──", "   ").replace("└──", "   ").split()
        if not words or words[0] not in errors.__all__:
            continue
        depth = (len(line) - len(line.lstrip(" │├└─"))) // 4 - 1
        path[depth:] = [words[0]]
        for ancestor in path:
            assert issubclass(getattr(errors, words[0]), getattr(errors, ancestor)), line


@pytest.mark.parametrize("kind", CLASSES)
def test_each_has_a_message_a_hint_and_says_whether_to_try_again(kind):
    error = kind("It broke.", hint="Mend it.")

    assert isinstance(error, InductivaWidgetsError)
    assert str(error) == "It broke. Mend it."
    assert (error.message, error.hint) == ("It broke.", "Mend it.")
    assert isinstance(error.retryable, bool)
    assert str(kind("Alone.")) == "Alone."


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("duplicate", [copy.copy, lambda e: pickle.loads(pickle.dumps(e))])
def test_each_survives_a_process_pool(kind, duplicate):
    error = kind("It broke.", hint="Mend it.")

    twin = duplicate(error)

    assert type(twin) is kind
    assert str(twin) == str(error)
    assert vars(twin) == vars(error)


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        (errors.UserInputError, ValueError),
        (errors.NotFoundError, LookupError),
        (errors.ServiceConnectionError, ConnectionError),
        (errors.ServiceTimeoutError, TimeoutError),
        (errors.WaitTimeoutError, TimeoutError),
        (errors.DiskFullError, OSError),
        (errors.DestinationError, OSError),
    ],
)
def test_those_that_python_knows_are_caught_by_its_names(kind, builtin):
    with pytest.raises(builtin):
        raise kind("x")


def test_what_may_mend_itself_is_retryable():
    retryable = {kind.__name__ for kind in CLASSES if kind.retryable}

    assert retryable == {
        "RateLimitedError",
        "ServerError",
        "ServiceConnectionError",
        "ServiceTimeoutError",
        "IncompleteDownloadError",
        "RemoteChangedError",
        "LinkExpiredError",
        "OutputsNotReadyError",
        "WaitTimeoutError",
    }


def test_they_carry_what_a_caller_needs():
    assert errors.NotFoundError("x", missing=("a",)).missing == ("a",)
    assert errors.RateLimitedError("x", retry_after_s=3.0).retry_after_s == 3.0
    assert errors.DownloadError("x", failed={"a": "b"}, path="p").failed == {"a": "b"}
    assert errors.TaskFailedError("x", status="failed", log_tail="end").log_tail == "end"
    assert errors.EngineBusyError("x", pid=4, url="u").pid == 4
    assert errors.ApiError("x", status_code=418).status_code == 418
