"""Records decode whatever the service sends: one odd field never hides the others."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inductiva_widgets.api import models
from inductiva_widgets.api.models import (
    STATUSES,
    Group,
    Machine,
    StatusReply,
    TaskPage,
    TaskRecord,
    decode,
    decode_any,
    decode_list,
    status_info,
)
from inductiva_widgets.errors import BadPayloadError

GOLDEN = Path(__file__).parents[1] / "golden"
NOW = dt.datetime(2025, 6, 16, 18, 30, tzinfo=dt.timezone.utc)

# A whole record, with every field that the official client reads.
TASK = {
    "task_id": "i4ir3kvv62odsfrhko4y8w2an",
    "status": "success",
    "status_alias": "Success",
    "simulator": "splishsplash",
    "storage_path": "user-bucket/i4ir3kvv62odsfrhko4y8w2an/",
    "storage_input_path": "i4ir3kvv62odsfrhko4y8w2an/input.zip",
    "storage_output_path": "i4ir3kvv62odsfrhko4y8w2an/output.zip",
    "storage_region": "europe-west1",
    "container_image": "docker://inductiva/kutu:splishsplash_v2.13.0",
    "project": "default",
    "is_terminated": True,
    "create_time": "2025-06-16T18:16:34.000000+00:00",
    "input_submit_time": "2025-06-16T18:16:36.000000+00:00",
    "start_time": "2025-06-16T18:17:17.000000+00:00",
    "computation_start_time": "2025-06-16T18:17:24.000000+00:00",
    "computation_end_time": "2025-06-16T18:20:36.000000+00:00",
    "end_time": "2025-06-16T18:20:38.000000+00:00",
    "estimated_computation_cost": 0.0123,
    "metrics": {
        "total_seconds": 244.0,
        "queue_time_seconds": 41.0,
        "computation_seconds": 192.0,
        "output_zipped_size_bytes": 268000,
        "output_size_bytes": 410000,
        "output_total_files": 44,
    },
    "executer": {
        "uuid": "5c0f",
        "cpu_count_logical": 4,
        "cpu_count_physical": 2,
        "memory": 16785600512,
        "n_mpi_hosts": 1,
        "vm_type": "c2-standard-4",
        "vm_name": "vm-1",
        "host_type": "GCP",
        "error_detail": None,
    },
    "machine_group_name": "api-m3ey",
    "machine_group_id": "0d6c",
    "error_detail": None,
    "input_resources": [],
    "stream_zip": True,
    "num_retries": 0,
    "compress_with": "SEVEN_Z",
    "task_metadata": {},
    "extra_params": {},
    "resubmit_on_preemption": False,
    "duration_seconds": 244.0,
    "orchestration_fee": {"amount": 0.01, "charged": True, "currency": "USD"},
    "status_history": [
        {
            "machine_id": None,
            "status": "computation-started",
            "timestamp": "2025-06-16T18:17:24.000000+00:00",
            "end_timestamp": "2025-06-16T18:20:36.000000+00:00",
            "description": "The simulation is running.",
            "alias": "In Progress",
            "operations": [
                {
                    "name": "exec_command",
                    "alias": "Execute command",
                    "start_timestamp": "2025-06-16T18:17:24.100000+00:00",
                    "end_timestamp": "2025-06-16T18:20:35.900000+00:00",
                    "status": "OK",
                    "attributes": {"command": "./SPHSimulator config.json", "exit_code": 0},
                }
            ],
        },
    ],
    "machine_operations": [],
    "steps": [],
}
FIELDS = sorted(TASK)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["vm_type", "x"]), inner)
    ),
    max_leaves=5,
)


def body_of(value):
    return json.dumps(value).encode()


def read(**changes):
    return decode(body_of({**TASK, **changes}), TaskRecord)


def kept(record, *without):
    values = msgspec.to_builtins(record)
    return {name: value for name, value in values.items() if name not in without}


def test_the_example_of_the_contract_is_read_whole():
    assert msgspec.to_builtins(read()) == {
        **TASK,
        "metrics": {**dict.fromkeys(models.Metrics.__struct_fields__), **TASK["metrics"]},
    }


@pytest.mark.fault(72)
@given(field=st.sampled_from(FIELDS), value=json_values)
def test_an_odd_value_of_one_field_leaves_the_others_right(field, value):
    record = read(**{field: value})

    assert kept(record, field) == kept(read(), field)
    hinted = {f.name: f.type for f in msgspec.structs.fields(TaskRecord)}[field]
    msgspec.convert(msgspec.to_builtins(getattr(record, field)), hinted)  # of its declared type


@pytest.mark.fault(72)
@given(odd=st.dictionaries(st.sampled_from(FIELDS), json_values))
def test_any_number_of_odd_fields_gives_a_record_that_works(odd):
    record = read(**odd)

    assert isinstance(record.alias, str)
    assert record.machine_type is None or isinstance(record.machine_type, str)
    for seconds in (record.computation_seconds(NOW), record.total_seconds(NOW)):
        assert seconds is None or isinstance(seconds, (int, float))


@pytest.mark.fault(72)
@pytest.mark.parametrize("field", FIELDS)
def test_a_missing_or_null_field_is_empty_and_the_rest_is_right(field):
    missing = decode(body_of({k: v for k, v in TASK.items() if k != field}), TaskRecord)
    null = read(**{field: None})

    assert missing == null
    assert kept(null, field) == kept(read(), field)
    assert not msgspec.to_builtins(getattr(null, field)) or field == "metrics"


@given(extra=st.dictionaries(st.text(min_size=1), json_values))
def test_extra_fields_are_ignored(extra):
    assert decode(body_of({**extra, **TASK}), TaskRecord) == read()


@pytest.mark.parametrize("field", ["executer", "metrics", "orchestration_fee"])
@pytest.mark.parametrize("value", [[], [{}], [{"vm_type": "x"}], "text", 5, True])
def test_a_record_of_another_kind_is_empty(field, value):
    assert getattr(read(**{field: value}), field) == getattr(TaskRecord(), field)


def test_an_odd_field_inside_a_nested_record_leaves_its_neighbours():
    record = read(
        executer={**TASK["executer"], "memory": "much"},
        metrics={**TASK["metrics"], "output_total_files": 4.5},
    )

    assert record.executer.memory is None
    assert record.machine_type == "c2-standard-4"
    assert record.metrics.output_total_files is None
    assert record.metrics.computation_seconds == 192.0


def test_odd_entries_of_the_history_leave_the_others():
    good = TASK["status_history"][0]
    record = read(status_history=[None, 5, good, {**good, "operations": None, "alias": 7}])

    first, second = record.status_history
    assert first.operations[0].attributes["exit_code"] == 0
    assert second.operations == []
    assert second.alias is None
    assert second.status == "computation-started"


def test_a_history_that_is_no_list_is_empty():
    assert read(status_history={"status": "x"}).status_history == []


@pytest.mark.fault(72)
def test_one_bad_task_of_a_page_hides_none():
    page = decode(
        body_of({"total_size": "many", "tasks": [TASK, {"task_id": 7}, None, TASK]}), TaskPage
    )

    assert page.total_size == 0
    assert [task.task_id for task in page.tasks] == [TASK["task_id"], "", TASK["task_id"]]


@pytest.mark.parametrize("place", [[], [{}], "first", {"tasks_ahead": "x"}, None])
def test_an_odd_place_in_the_queue_is_unknown(place):
    reply = decode(
        body_of({"id": "a", "status": "submitted", "position_in_queue": place}), StatusReply
    )

    assert reply.position_in_queue is None or reply.position_in_queue.tasks_ahead is None
    assert reply.status == "submitted"


@pytest.mark.fault(24)
@pytest.mark.parametrize("decoder", [lambda b: decode(b, TaskRecord), decode_any, decode_list])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Sign in</html>",
        b"\xff\xfe",
        b'{"task_id": NaN}',
        b'{"task_id": 5, "status": oops',
        b'{"task_id": 5, "simulator": "\xff"}',
        b'{"task_id": 5, "x": ' + b"[" * 100_000,
        b'{"task_id": 5, "num_retries": 1e400}',
    ],
)
def test_what_is_no_json_is_a_bad_payload(decoder, body):
    with pytest.raises(BadPayloadError) as caught:
        decoder(body)

    assert caught.value.hint


@pytest.mark.fault(78)
@pytest.mark.parametrize("body", [b"[]", b'"text"', b"null", b"5"])
def test_json_that_is_no_object_is_a_bad_payload(body):
    with pytest.raises(BadPayloadError):
        decode(body, TaskRecord)


@pytest.mark.fault(24)
def test_a_web_page_is_called_one():
    with pytest.raises(BadPayloadError, match="web page"):
        decode(b"<!doctype html>", TaskRecord)


# -- statuses ------------------------------------------------------------------------------------


def test_the_statuses_are_those_of_the_contract():
    golden = json.loads((GOLDEN / "statuses.json").read_text())

    assert len(golden) == 17
    assert list(golden) == list(STATUSES)
    for code, wanted in golden.items():
        info = STATUSES[code]
        assert wanted == {
            "alias": info.alias,
            "group": info.group.value,
            "killable": info.killable,
        }


@pytest.mark.fault(71)
def test_an_unknown_status_is_kept_and_shown():
    record = read(status="hibernating", status_alias=None, is_terminated=False)

    assert record.status == record.alias == "hibernating"
    assert not record.is_terminated
    assert status_info("hibernating").group is Group.UNKNOWN


@pytest.mark.fault(71)
def test_the_service_decides_what_has_ended():
    assert not read(status="success", is_terminated=False).is_terminated
    assert read(status="started", is_terminated=True).is_terminated


def test_the_alias_is_the_services_word_then_ours():
    assert read(status_alias="Bravo").alias == "Bravo"
    assert read(status_alias=None).alias == "Success"
    assert read(status_alias="").alias == "Success"


# -- machines and times --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("vm_type", "wanted"),
    [
        ("c2-standard-4", "c2-standard-4"),
        ("projects/p/zones/z/machineTypes/c2-standard-4", "c2-standard-4"),
        ("a/c2-standard-4/", "c2-standard-4"),
        ("n/a", "vm-1"),
        ("", "vm-1"),
        (None, "vm-1"),
    ],
)
def test_the_machine_type_is_the_last_part_or_the_own_machines_name(vm_type, wanted):
    assert Machine(vm_type=vm_type, vm_name="vm-1").type_name == wanted


def test_without_a_machine_there_is_no_machine_type():
    assert read(executer=None).machine_type is None


RUNNING = {"is_terminated": False, "metrics": {}, "computation_end_time": None, "end_time": None}


@pytest.mark.fault(74)
@pytest.mark.parametrize(
    ("changes", "computation", "total"),
    [
        ({}, 192.0, 244.0),
        (RUNNING, 756.0, 806.0),
        ({**RUNNING, "computation_end_time": "2025-06-16T18:20:36Z"}, 192.0, 806.0),
        ({**RUNNING, "computation_start_time": None}, None, 806.0),
        ({**RUNNING, "is_terminated": True}, None, None),
        ({**RUNNING, "computation_start_time": "soon", "create_time": "soon"}, None, None),
        (
            {
                **RUNNING,
                "computation_start_time": "2025-06-17T00:00Z",
                "create_time": "9999-01-01T00:00Z",
            },
            0.0,
            0.0,
        ),
    ],
)
def test_times_are_measured_or_counted_and_never_negative(changes, computation, total):
    record = read(**changes)

    assert record.computation_seconds(NOW) == computation
    assert record.total_seconds(NOW) == total


FIRST_USE = """
import sys, threading
sys.setswitchinterval(1e-6)
from inductiva_widgets.api import models
task = b'{"task_id": "a", "executer": {}, "metrics": {"total_seconds": {}}, "status_history": [{}]}'
start = threading.Barrier(8)
read = []
def first(body, kind):
    start.wait()
    read.append(models.decode(body, kind))
kinds = [(task, models.TaskRecord), (b'{"tasks": [' + task + b']}', models.TaskPage)] * 4
threads = [threading.Thread(target=first, args=args) for args in kinds]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert len(read) == 8
"""


@pytest.mark.parametrize("attempt", range(5))
def test_threads_may_read_the_first_records_at_once(attempt):
    """A half prepared type ends the process; it takes some attempts to meet one."""
    done = subprocess.run([sys.executable, "-c", FIRST_USE], capture_output=True, check=False)

    assert done.returncode == 0, f"attempt {attempt}: {done.stderr.decode()}"
