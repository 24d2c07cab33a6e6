"""Walks: the same hits in the same order from the first to the last, whatever is written meanwhile."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import msgspec

from search_api import results
from search_api.access.principal import Principal
from search_api.cursor import steps
from search_api.cursor.codec import Cursor, Sort, decode, encode
from search_api.cursor.owner import fingerprint
from search_api.cursor.register import Register
from search_api.cursor.seal import Seal
from search_api.cursor.steps import NextRequest, WalkRequest
from search_api.elastic import HTTP_NOT_FOUND, Door
from search_api.errors import CursorExpired, IncompletePage
from search_api.metrics import CURSORS, CURSORS_OPEN
from search_api.model import Json
from search_api.prepared import Prepared
from search_api.query.request import SearchRequest
from search_api.search import Searcher
from search_api.settings import CursorSettings
from streamer import logs
from streamer.clock import Clock
from streamer.errors import ElasticError, ElasticRefused
from streamer.metrics import Meter, Sample

SECRET_BYTES = 32

log = logs.get("search_api")


class Walker:
    """Begins, continues and ends walks."""

    def __init__(self, settings: CursorSettings, door: Door, searcher: Searcher, clock: Clock, meter: Meter) -> None:
        """Walk through `door` over what `searcher` asks."""
        self._settings, self._door, self._searcher = settings, door, searcher
        self._clock, self._meter = clock, meter
        secret = settings.secret
        self._ends_with_process = secret is None
        self._seal = Seal(secret.get_secret_value().encode() if secret else secrets.token_bytes(SECRET_BYTES))
        self._register = Register(settings, clock)

    async def begin(self, wanted: WalkRequest, caller: Principal) -> Json:
        """Return the first page. Raises SearchError or ElasticError."""
        steps.check(wanted, self._settings.keep_alive_s)
        prepared = await self._searcher.prepare(wanted.search, self._searcher.view(caller, wanted.search.index))
        cursor = self._cursor(prepared, wanted.keep_alive_s, await self._point(prepared, wanted.keep_alive_s))
        try:
            return await self._page(cursor, prepared)
        except BaseException:
            await self._end(cursor)
            raise

    async def go_on(self, wanted: NextRequest, caller: Principal) -> Json:
        """Return the next page; until the last one, a cursor gives the same page again.

        Raises SearchError or ElasticError.
        """
        cursor = self._decoded(wanted.cursor, caller)
        request = SearchRequest.model_validate(cursor.request)
        if wanted.size is not None:
            request = request.model_copy(update={"size": wanted.size})
        view = self._searcher.view(caller, request.index)
        self._searcher.check(request, view)
        prepared = Prepared(request, view, cursor.tokens)
        self._meter.add(CURSORS, "continued")
        return await self._page(cursor, prepared)

    async def close(self, cursor: str, caller: Principal) -> None:
        """End a walk before its end. Raises InvalidCursor or CursorExpired."""
        await self._end(self._decoded(cursor, caller))
        self._meter.add(CURSORS, "closed")

    def samples(self) -> Iterator[Sample]:
        """Return how many walks are open."""
        yield Sample(CURSORS_OPEN, (), len(self._register))

    async def stop(self) -> None:
        """End all walks that nobody can continue, because the secret goes with this process."""
        if self._ends_with_process:
            for point in self._register.points():
                await self._close_point(point)

    async def _point(self, prepared: Prepared, keep_alive_s: int) -> tuple[str, str]:
        """Return the id of a new walk and its point in time."""
        walk_id = secrets.token_hex(8)
        self._register.reserve(walk_id, account_of(prepared), keep_alive_s)
        try:
            point = await self._door.open_point(prepared.view.index.alias, keep_alive_s + steps.GRACE_S)
        except BaseException:
            self._register.remove(walk_id)
            raise
        self._meter.add(CURSORS, "begun")
        return walk_id, point

    def _cursor(self, prepared: Prepared, keep_alive_s: int, begun: tuple[str, str]) -> Cursor:
        now_ms = self._clock.now_ms()
        walk_id, point = begun
        return Cursor(
            id=walk_id,
            point=point,
            owner=fingerprint(prepared.view.principal),
            request=prepared.request.model_dump(mode="json", exclude_defaults=True),
            tokens=prepared.tokens,
            after=(),
            keep_alive_s=keep_alive_s,
            expires_ms=now_ms + keep_alive_s * 1000,
            ends_ms=now_ms + self._settings.longest_s * 1000,
        )

    async def _page(self, cursor: Cursor, prepared: Prepared) -> Json:
        started = self._clock.monotonic()
        found = await self._found(cursor, prepared)
        answer = prepared.answer(found, (self._clock.monotonic() - started) * 1000)
        # The point in time may have got another id.
        cursor = msgspec.structs.replace(cursor, point=found.get("pit_id", cursor.point))
        if len(answer["hits"]) < prepared.request.size:
            await self._end(cursor)
            self._meter.add(CURSORS, "ended")
            return answer | {"cursor": None}
        return answer | {"cursor": self._next(cursor, prepared, steps.last_sort(found))}

    async def _found(self, cursor: Cursor, prepared: Prepared) -> Json:
        body = steps.page_body(prepared.body, cursor.point, cursor.keep_alive_s, cursor.after)
        try:
            found = await self._door.search(prepared.view.ask(body))
        except ElasticRefused as error:
            if error.status == HTTP_NOT_FOUND:
                self._register.remove(cursor.id)
                self._meter.add(CURSORS, "expired")
                raise CursorExpired from error
            raise
        # In an answer a part may be missing and flagged; in a walk nobody would come back for it.
        if results.is_partial(found):
            raise IncompletePage
        return found

    def _next(self, cursor: Cursor, prepared: Prepared, after: tuple[Sort, ...]) -> str:
        expires_ms = min(self._clock.now_ms() + cursor.keep_alive_s * 1000, cursor.ends_ms)
        request = cursor.request | {"size": prepared.request.size}
        self._register.note(cursor.id, account_of(prepared), cursor.point, cursor.keep_alive_s)
        moved = msgspec.structs.replace(cursor, after=after, expires_ms=expires_ms, request=request)
        return encode(moved, self._seal)

    def _decoded(self, text: str, caller: Principal) -> Cursor:
        return decode(text, self._seal, fingerprint(caller), self._clock.now_ms())

    async def _end(self, cursor: Cursor) -> None:
        self._register.remove(cursor.id)
        await self._close_point(cursor.point)

    async def _close_point(self, point: str) -> None:
        try:
            await self._door.close_point(point)
        except ElasticError as error:
            # Elasticsearch ends it by itself when its time is over.
            log.info("cursor not closed", reason=str(error))


def account_of(prepared: Prepared) -> str:
    """Return for whom a walk counts: tokens of one key share their number."""
    caller = prepared.view.principal
    return caller.account or caller.name
