"""What views are told of errors and of tasks: enough, and nothing that is not theirs."""

from __future__ import annotations

import datetime as dt

import msgspec

from inductiva_widgets import errors
from inductiva_widgets.api.models import TaskRecord
from inductiva_widgets.service.protocol import BackendName, TaskSummary
from inductiva_widgets.service.summaries import record_summary, service_error


def test_errors_of_others_show_their_class_and_nothing_else():
    secret = "X-API-Key: s3cr3t https://storage/?signature=abc"

    shown = service_error(ValueError(secret))

    assert "s3cr3t" not in repr(shown)
    assert "signature" not in repr(shown)
    assert "ValueError" in shown.message
    assert shown.type == "InternalError"


def test_our_errors_are_shown_with_hint_and_class_but_harmless_and_short():
    error = errors.NotFoundError("no \x1b[31m\u202etask\n" + "x" * 5000, hint="Look.")

    shown = service_error(error)

    assert (shown.type, shown.hint, shown.retryable) == ("NotFoundError", "Look.", False)
    assert len(shown.message) <= 600
    assert shown.message.isprintable()


def test_retryable_errors_say_so():
    assert service_error(errors.ServerError("busy")).retryable


def test_a_summary_of_almost_nothing_still_has_every_field():
    now = dt.datetime(2026, 3, 1, 12, tzinfo=dt.timezone.utc)

    summary = record_summary(BackendName("0" * 12, "x"), TaskRecord(task_id="t1"), (now, now))

    assert summary.as_of == "2026-03-01T12:00:00.000Z"
    assert list(msgspec.to_builtins(summary)) == [*TaskSummary.__struct_fields__]
