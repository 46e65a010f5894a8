"""Routes of account, start-up, machines, catalogue and projects.

Nothing here is priced or limited: the replies exist so that programs made for the service,
the official client among them, start and submit.
"""

from __future__ import annotations

import importlib.metadata
import re
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse
from starlette.routing import Route

from inductiva_widgets.errors import NotFoundError
from inductiva_widgets.local.engine import Engine, detail, read_json
from inductiva_widgets.local.handshake import PROOF_HEADER, proof
from inductiva_widgets.local.inquiries import required, string_map
from inductiva_widgets.local.projects import Projects
from inductiva_widgets.local.views import GROUP_NAME

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["account_routes"]

CONTRACT_VERSION = "0.18.12"  # of the official client whose contract is spoken
_NONCE = re.compile(r"[0-9a-f]{16,128}")
# Versions of images are names only: nothing here runs containers.
# Names under which the official client's classes look for their images. The image is recorded, not
# run: what a task needs of a simulator must be on this machine.
_ON_THIS_MACHINE = (
    "amr-wind calculix cans cm1 coawst cp2k delft3d delft3dfm dualsphysics elmer fds freefem "
    "funwave fvcom gprmax gromacs gx hec-ras mohid nwchem octopus openfast openfoam-esi "
    "openfoam-foundation opensees openseespy opentelemac quantum-espresso reef3d schism "
    "sfincs snl-swan swan swash swmm wavewatch3 wrf xbeach"
)
_CATALOGUE = {
    "development": {},
    "production": {
        "arbitrary_commands": ["1.0"],
        "splishsplash": ["2.13.0"],
        **{name: ["local"] for name in _ON_THIS_MACHINE.split()},
    },
}
_QUOTAS = {
    "max_price_hour": ("Maximum price per hour", "USD", "global"),
    "max_vcpus": ("Maximum number of virtual processors", "vCPU", "global"),
    "max_instances": ("Maximum number of machines", "instance", "global"),
}


def account_routes(engine: Engine, *, proof_key: str) -> list[Route]:
    """Every route that is neither about tasks nor about files."""
    account = _Account(engine, proof_key)
    machines = _Machines(engine)
    projects = _Projects(engine)
    project = "/projects/{name:path}"
    return [
        Route("/version", account.version, methods=["GET"]),
        Route("/version-check", account.version_check, methods=["GET"]),
        Route("/users/info", account.info, methods=["GET"]),
        Route("/users/quotas", account.quotas, methods=["GET"]),
        Route("/users/fees", account.fees, methods=["GET"]),
        Route("/users/costs", account.costs, methods=["GET"]),
        Route("/simulators/available-images", account.images, methods=["GET"]),
        Route("/compute/groups", machines.groups, methods=["GET"]),
        Route("/compute/price", machines.price, methods=["GET"]),
        Route("/compute/group", machines.create, methods=["POST"]),
        Route("/compute/group", machines.end, methods=["DELETE"]),
        Route("/compute/group/start", machines.start, methods=["POST"]),
        Route("/compute/group/{name:path}", machines.group, methods=["GET"]),
        Route("/projects", projects.all, methods=["GET"]),
        Route("/projects", projects.create, methods=["POST"]),
        Route("/projects", projects.delete, methods=["DELETE"]),
        Route(project + "/task/{task_id}/{action}", projects.place, methods=["POST"]),
        Route(project + "/metadata", projects.metadata, methods=["GET", "PUT", "PATCH"]),
        Route(project, projects.one, methods=["GET"]),
    ]


class _Account:
    def __init__(self, engine: Engine, proof_key: str) -> None:
        self._engine = engine
        self._proof_key = proof_key
        try:
            self._version = importlib.metadata.version("inductiva_widgets")
        except importlib.metadata.PackageNotFoundError:
            self._version = "0"

    async def version(self, request: Request) -> Response:
        reply = JSONResponse({"version": CONTRACT_VERSION, "engine": self._version})
        nonce = request.query_params.get("nonce", "")
        if _NONCE.fullmatch(nonce):
            reply.headers[PROOF_HEADER] = proof(self._proof_key, nonce)
        return reply

    async def version_check(self, request: Request) -> Response:
        return JSONResponse(
            {
                "is_valid": True,
                "client_version": request.query_params.get("client_version", CONTRACT_VERSION),
                "server_version": CONTRACT_VERSION,
                "min_supported_client_version": None,
            }
        )

    async def info(self, _request: Request) -> Response:
        return JSONResponse(
            {
                "email": "local@localhost",
                "username": "local",
                "name": "Local engine",
                "tier": "local",
                "total_available_credits": 0.0,
                "credits_currency": "USD",
                "costs_fee_percentage": 0.0,
                "terminate_resources_credits_threshold": 0.0,
                "terms_and_conditions_decision": "accepted",
                "registration_ts": self._engine.created,
            }
        )

    async def quotas(self, _request: Request) -> Response:
        return JSONResponse(
            {
                name: {
                    "id": name,
                    "label": label,
                    "max_allowed": None,
                    "in_use": None,
                    "unit": unit,
                    "scope": scope,
                }
                for name, (label, unit, scope) in _QUOTAS.items()
            }
        )

    async def fees(self, _request: Request) -> Response:
        none = {"amount": 0.0, "active": False, "active_since": None, "unit": "USD"}
        percentage = {**none, "unit": "%"}
        return JSONResponse({"costs_fee_percentage": percentage, "task_orchestration_fee": none})

    async def costs(self, request: Request) -> Response:
        year = request.query_params.get("start_year", self._engine.created[:4])
        month = request.query_params.get("start_month", self._engine.created[5:7])
        parts = ("compute", "storage", "data_transfer", "task_orchestration")
        entry = {
            "month": f"{year}-{month:0>2}",
            "total": 0.0,
            "components": dict.fromkeys(parts, 0.0),
            "type": "estimate",
        }
        return JSONResponse({"currency": "USD", "credits": 0.0, "costs": [entry]})

    async def images(self, _request: Request) -> Response:
        return JSONResponse(_CATALOGUE)


class _Machines:
    def __init__(self, engine: Engine) -> None:
        self._group = engine.machine.group(engine.created)

    async def groups(self, _request: Request) -> Response:
        return JSONResponse([self._group])

    async def group(self, request: Request) -> Response:
        if request.path_params["name"] != GROUP_NAME:
            raise NotFoundError("There is one machine group here, and it is named 'local'.")
        return JSONResponse(self._group)

    async def price(self, request: Request) -> Response:
        (machine_type,) = required(request.query_params, "machine_type")
        if machine_type != self._group["machine_type"]:
            raise NotFoundError("The local engine knows no prices; its own machine costs nothing.")
        return JSONResponse({"preemptible_price": 0.0, "on_demand_price": 0.0})

    async def create(self, _request: Request) -> Response:
        text = "The local engine has one machine group, 'local'; no other can be made."
        return detail(HTTPStatus.BAD_REQUEST, text)

    async def start(self, request: Request) -> Response:
        self._known(request)
        return JSONResponse({})

    async def end(self, request: Request) -> Response:
        self._known(request)
        text = "This machine group is this machine; stop the engine instead."
        return detail(HTTPStatus.BAD_REQUEST, text)

    def _known(self, request: Request) -> None:
        (group_id,) = required(request.query_params, "machine_group_id")
        if group_id not in (self._group["id"], GROUP_NAME):
            raise NotFoundError("There is no such machine group.")


class _Projects:
    def __init__(self, engine: Engine) -> None:
        self._projects = Projects(engine.store)
        self._limit = engine.settings.json_limit_bytes

    async def all(self, _request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(self._projects.all))

    async def one(self, request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(self._projects.get, _name(request)))

    async def create(self, request: Request) -> Response:
        body = await read_json(request, self._limit)
        return JSONResponse(await run_in_threadpool(self._projects.create, body))

    async def delete(self, request: Request) -> Response:
        (name,) = required(request.query_params, "project_name")
        await run_in_threadpool(self._projects.delete, name)
        return JSONResponse({})

    async def place(self, request: Request) -> Response:
        action = request.path_params["action"]
        if action not in ("add", "remove"):
            raise NotFoundError("Not Found")
        task_id = str(request.path_params["task_id"])
        await run_in_threadpool(
            self._projects.place, _name(request), task_id, inside=action == "add"
        )
        return JSONResponse({})

    async def metadata(self, request: Request) -> Response:
        name = _name(request)
        if request.method in ("GET", "HEAD"):
            found = await run_in_threadpool(self._projects.get, name)
            return JSONResponse(found["project_metadata"])
        values = string_map(await read_json(request, self._limit))
        replace = request.method == "PUT"
        await run_in_threadpool(self._projects.set_metadata, name, values, replace=replace)
        return JSONResponse({})


def _name(request: Request) -> str:
    return str(request.path_params["name"])
