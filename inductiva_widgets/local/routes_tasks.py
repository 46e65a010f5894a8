"""Routes of tasks: list, look, submit, kill, metadata (`/tasks…`)."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse
from starlette.routing import Route

from inductiva_widgets.errors import NotFoundError, UserInputError
from inductiva_widgets.local.engine import Engine, detail, read_json
from inductiva_widgets.local.inquiries import page_query, string_map, submission
from inductiva_widgets.local.statuses import TERMINAL
from inductiva_widgets.local.store import NewTask
from inductiva_widgets.local.views import GROUP_NAME, REGION, task_detail, task_object

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["task_routes"]


def task_routes(engine: Engine) -> list[Route]:
    """Every route below `/tasks`."""
    tasks = _Tasks(engine)
    return [
        Route("/tasks", tasks.page, methods=["GET"]),
        Route("/tasks/submit", tasks.submit, methods=["POST"]),
        Route("/tasks/{task_id}", tasks.detail, methods=["GET"]),
        Route("/tasks/{task_id}/status", tasks.status, methods=["GET"]),
        Route("/tasks/{task_id}/kill", tasks.kill, methods=["POST"]),
        Route("/tasks/{task_id}/input_uploaded", tasks.input_uploaded, methods=["POST"]),
        Route("/tasks/{task_id}/metadata", tasks.metadata, methods=["GET"]),
        Route("/tasks/{task_id}/metadata", tasks.replace_metadata, methods=["PUT"]),
        Route("/tasks/{task_id}/metadata", tasks.merge_metadata, methods=["PATCH"]),
    ]


class _Tasks:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._store = engine.store

    async def page(self, request: Request) -> Response:
        query = page_query(request.query_params, request.query_params.getlist("sort"))
        return await run_in_threadpool(self._page_reply, query)

    def _page_reply(self, query: Any) -> Response:  # noqa: ANN401 - made one line above
        total, records = self._store.page(query)
        tasks = [task_object(record, self._engine.machine) for record in records]
        return JSONResponse({"total_size": total, "tasks": tasks})

    async def detail(self, request: Request) -> Response:
        return await run_in_threadpool(self._detail_reply, _task_id(request))

    def _detail_reply(self, task_id: str) -> Response:
        found = self._store.detail(task_id)
        if found is None:
            raise _unknown(task_id)
        return JSONResponse(task_detail(*found, self._engine.machine))

    async def status(self, request: Request) -> Response:
        # One indexed read of some 50 µs: a thread hop would cost more than it frees the loop of.
        return JSONResponse(self._status_object(_task_id(request)))

    def _status_object(self, task_id: str) -> dict[str, Any]:
        found = self._store.status(task_id)
        if found is None:
            raise _unknown(task_id)
        status, ahead = found
        return {
            "id": task_id,
            "status": status,
            "position_in_queue": None if ahead is None else {"tasks_ahead": ahead},
            "is_terminated": status in TERMINAL,
        }

    async def kill(self, request: Request) -> Response:
        task_id = _task_id(request)
        before = await run_in_threadpool(self._store.request_kill, task_id)
        if before is None:
            raise _unknown(task_id)
        if before in TERMINAL:
            return detail(HTTPStatus.BAD_REQUEST, f"The task has already ended: {before}.")
        await run_in_threadpool(self._engine.runner.kill, task_id)
        return JSONResponse(self._status_object(task_id))

    async def submit(self, request: Request) -> Response:
        body = submission(await read_json(request, self._engine.settings.json_limit_bytes))
        if body["resource_pool"] not in (self._engine.machine.group_id, GROUP_NAME):
            raise UserInputError(f"There is no machine group {body['resource_pool'][:100]!r}.")
        new = NewTask(
            simulator=body["simulator_name_alias"] or body["simulator"],
            project=body["project"],
            container_image=body["container_image"],
            storage_prefix=self._engine.storage.normalise(body["storage_path_prefix"]),
            request=body,
        )
        record = await run_in_threadpool(self._store.create, new)
        reply = {
            "id": record.task_id,
            "status": record.status,
            "position_in_queue": None,
            "is_terminated": False,
            "storage_region": REGION,
            "time_to_live_seconds": body["time_to_live_seconds"],
            "orchestration_fee": None,
        }
        return JSONResponse(reply, HTTPStatus.ACCEPTED)

    async def input_uploaded(self, request: Request) -> Response:
        task_id = _task_id(request)
        await run_in_threadpool(self._enqueue, task_id)
        return JSONResponse({})

    def _enqueue(self, task_id: str) -> None:
        record = self._store.get(task_id)
        if record is None:
            raise _unknown(task_id)
        if record.status in TERMINAL and record.input_submit_time is None:
            raise UserInputError(f"The task has already ended: {record.status}.")
        if not self._engine.storage.local_path(record.input_path).is_file():
            raise UserInputError("The inputs have not been uploaded.")
        # A repeated call, after a lost reply say, changes nothing.
        if self._store.enqueue(task_id):
            self._engine.runner.wake()

    async def metadata(self, request: Request) -> Response:
        task_id = _task_id(request)
        record = await run_in_threadpool(self._store.get, task_id)
        if record is None:
            raise _unknown(task_id)
        return JSONResponse(record.metadata)

    async def replace_metadata(self, request: Request) -> Response:
        return await self._write_metadata(request, replace=True)

    async def merge_metadata(self, request: Request) -> Response:
        return await self._write_metadata(request, replace=False)

    async def _write_metadata(self, request: Request, *, replace: bool) -> Response:
        task_id = _task_id(request)
        if self._store.status(task_id) is None:
            raise _unknown(task_id)
        values = string_map(await read_json(request, self._engine.settings.json_limit_bytes))
        write = self._store.replace_metadata if replace else self._store.merge_metadata
        await run_in_threadpool(write, task_id, values)
        return JSONResponse({})


def _task_id(request: Request) -> str:
    return str(request.path_params["task_id"])


def _unknown(task_id: str) -> NotFoundError:
    return NotFoundError(f"There is no task {task_id[:100]!r}.")
