"""The gate: every request gets its principal here, before anything else looks at it.

What is not listed as open needs credentials, so that a new route is closed until somebody opens it.
"""

from __future__ import annotations

from contextlib import ExitStack

import structlog
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from search_api.access.admission import Admission
from search_api.access.body import Refuse
from search_api.access.hosts import Hosts
from search_api.access.principal import NOBODY, Principal
from search_api.access.settings import Scope as Permission
from search_api.errors import CredentialsMissing, Forbidden, SearchError, row_of
from search_api.metrics import TURNED_AWAY
from streamer import logs
from streamer.metrics import Meter

OPEN = frozenset({"/", "/healthz", "/readyz"})
OPEN_UNDER = ("/web/", "/problems/")
"""Pages and answers that are the same for everybody, and hold nothing of an index."""
PERMISSIONS: tuple[tuple[str, Permission], ...] = (("/admin/", "admin"), ("/standing", "standing"))
"""What a path needs that begins so; every other needs `search`."""

log = logs.get("search_api")


class Gate:
    """ASGI middleware that says who asks, and turns away who may not."""

    def __init__(
        self, app: ASGIApp, *, admission: Admission, hosts: Hosts | None, meter: Meter, refuse: Refuse
    ) -> None:
        """Let in to `app` whom `admission` knows and who comes to one of `hosts`; answer others with `refuse`."""
        self._app, self._meter, self._refuse = app, meter, refuse
        self._admission, self._hosts = admission, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with ExitStack() as held:
            try:
                scope["principal"] = await self._admitted(scope, held)
            except SearchError as error:
                self._meter.add(TURNED_AWAY, row_of(error).name)
                log.info("turned away", reason=str(error))
                await self._refuse(scope, receive, send, error)
            else:
                await self._app(scope, receive, send)

    async def _admitted(self, scope: Scope, held: ExitStack) -> Principal:
        if self._hosts is not None:
            self._hosts.check(scope["headers"])
        caller = await self._admission.caller(scope["headers"])
        structlog.contextvars.bind_contextvars(caller=caller.name)
        if is_open(scope["path"]):
            return caller
        if caller is NOBODY:
            raise CredentialsMissing
        needed = permission(scope["path"])
        if needed not in caller.scopes:
            raise Forbidden(f"this needs credentials with scope {needed!r}")
        held.enter_context(self._admission.rates.running(caller))
        return caller


def is_open(path: str) -> bool:
    """Return whether everybody may ask for `path`."""
    return path in OPEN or path.startswith(OPEN_UNDER)


def permission(path: str) -> Permission:
    """Return the scope that `path` needs."""
    return next((scope for start, scope in PERMISSIONS if path.startswith(start)), "search")


async def caller_of(request: Request) -> Principal:
    """Return who sent `request`."""
    principal: Principal = request.scope["principal"]
    return principal
