"""The gate: every request gets its principal here, before anything else looks at it."""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from search_api.access.principal import LOCAL, Principal

PRINCIPAL = "principal"


class Gate:
    """ASGI middleware that says who asks."""

    def __init__(self, app: ASGIApp) -> None:
        """Guard `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] == "http":
            scope[PRINCIPAL] = LOCAL
        await self._app(scope, receive, send)


async def caller_of(request: Request) -> Principal:
    """Return who sent `request`."""
    principal: Principal = request.scope[PRINCIPAL]
    return principal
