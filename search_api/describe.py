"""What the service says about itself: its indices, its problems and its OpenAPI document."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any, get_args

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException

from search_api.errors import TABLE, Row
from search_api.model import Json, Mode, Problem
from search_api.query.filters import BOUNDS, OPERATORS
from search_api.settings import IndexSettings, Kind


def _response(status: int) -> dict[str, Any]:
    titles = dict.fromkeys(row.title for row in TABLE if row.status == status)
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {"description": "; ".join(titles), "content": problem}


RESPONSES: dict[int | str, dict[str, Any]] = {
    status: _response(status) for status in sorted({row.status for row in TABLE} - {405})
}
"""The problems that a search can end in, for OpenAPI."""
PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {status: RESPONSES[status] for status in (404, 422)}


def index(settings: IndexSettings) -> Json:
    """Return what a client may know about an index: nothing of Elasticsearch's."""
    return {
        "name": settings.name,
        "modes": list(get_args(Mode)),
        "filters": [_filter(name, one.kind) for name, one in settings.filters.items()],
        "display": settings.display.model_dump(),
    }


def _filter(field: str, kind: Kind) -> Json:
    return {"field": field, "kind": kind, "operators": list(OPERATORS[kind])}


def problem(name: str) -> Json:
    """Return the row of the table called `name`; raises HTTPException 404."""
    rows = [row for row in TABLE if row.name == name]
    if not rows:
        raise HTTPException(404)
    return _told(rows[0])


def _told(row: Row) -> Json:
    kind = f"/problems/{row.name}"
    return {"type": kind, "status": row.status, "title": row.title, "retry_after_s": row.retry_after_s}


def openapi(app: FastAPI, indices: Iterable[IndexSettings]) -> Json:
    """Return the OpenAPI document, with the filters that `indices` declare as parameters of `GET /search`."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, routes=app.routes)
        document["components"]["schemas"]["Problem"] = Problem.model_json_schema()
        document["components"]["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"bearer": []}]
        app.openapi_schema = document
    told = copy.deepcopy(app.openapi_schema)
    told["paths"]["/search"]["get"]["parameters"] += _parameters(indices)
    return told


def _parameters(indices: Iterable[IndexSettings]) -> list[Json]:
    kinds = {name: one.kind for index in indices for name, one in index.filters.items()}
    found = []
    for field, kind in kinds.items():
        found.append(_values(field, kind))
        found += [_bound(field, bound) for bound in BOUNDS if bound in OPERATORS[kind]]
    return found


def _values(field: str, kind: Kind) -> Json:
    items = {"type": "string" if kind == "keyword" else "number"}
    schema = {"type": "array", "items": items}
    return {"name": field, "in": "query", "schema": schema, "description": f"Values, one of which {field} must have."}


def _bound(field: str, bound: str) -> Json:
    name = f"{field}.{bound}"
    return {"name": name, "in": "query", "schema": {"type": "number"}, "description": f"Bound of {field}."}
