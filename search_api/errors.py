"""Errors of the search service, and the one table that turns any error into an HTTP answer.

SearchError
├── InvalidRequest         a well-formed request asks for something that is not there or not allowed
├── MalformedBody          the body is no JSON
├── BodyTooLarge           the body is larger than the limit
├── BodyTooDeep            the body has more objects and lists in one another than the limit
├── BodyTooSlow            the body did not come in time
├── MalformedHead          what came is no HTTP
├── UrlTooLong, HeadTooLong, HeadTooSlow: of a request, before it is one
├── UnknownIndex           no index of that name is declared
├── NotFreshInTime         the index did not come as far as was asked for in the time that was given
├── PositionGone           a position is of a topic that was deleted or made again
├── FreshnessUnavailable   the service cannot make sure that a position is searchable
├── Overloaded             as many searches as Elasticsearch takes are running
├── UnknownPreset          no preset of that name is declared
├── UnknownDocument        there is no such document, or not for this caller
├── DocumentWithoutTokens  a document has no tokens that could be read
├── InvalidCursor          a cursor that this service did not make, or made for another key
├── CursorExpired          a cursor that came too late
├── TooManyCursors         a key, or all together, have as many cursors open as they may
├── IncompletePage         a shard gave no answer for a page, where none may be missing
├── InferenceUnavailable   the tokens of a query could not be had
│   └── QueryNotEncodable  the encoder refuses this text
├── CredentialsMissing     nothing says who asks
├── CredentialsRefused     no key, no token derived from one, and no token of an issuer
├── CredentialsExpired     they were right, and have ended
├── CredentialsUnchecked   the keys of an issuer cannot be had
├── Forbidden              the credentials do not allow this
├── TooManyRequests        more than the credentials allow, in a second or at a time
└── HostRefused            the request is for another host

What Elasticsearch says stays inside (it names indices, nodes and classes): only rows that `tell` pass on a message.
Answers are problem documents: https://www.rfc-editor.org/rfc/rfc9457.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from starlette.exceptions import HTTPException

from search_api.model import Json
from streamer.errors import ElasticRefused, ElasticTimeout, ElasticUnavailable, StreamerError


class Fault(msgspec.Struct, frozen=True, omit_defaults=True):
    """One wrong part of a request: where (JSON pointer into the body, or a parameter), why, what is allowed."""

    detail: str
    pointer: str | None = None
    parameter: str | None = None
    allowed: tuple[str, ...] = ()


class SearchError(StreamerError):
    """the search failed"""


class InvalidRequest(SearchError):
    """the request is not valid"""

    def __init__(self, *faults: Fault) -> None:
        """Name every wrong part."""
        self.faults = faults
        super().__init__("; ".join(fault.detail for fault in faults))


class MalformedBody(SearchError):
    """the body is not a JSON document"""


class BodyTooLarge(SearchError):
    """the body is too large"""


class BodyTooDeep(SearchError):
    """the body is nested too deeply"""


class BodyTooSlow(SearchError):
    """the body did not come in time"""


class MalformedHead(SearchError):
    """what came is no HTTP request"""


class UrlTooLong(SearchError):
    """the URL is too long"""


class HeadTooLong(SearchError):
    """the headers are too long"""


class HeadTooSlow(SearchError):
    """the head of the request did not come in time"""


class UnknownIndex(SearchError):
    """there is no index of that name"""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        """Name the index that was asked for and those that exist."""
        self.faults = (Fault(f"no index is called {name!r}", allowed=tuple(known)),)
        super().__init__(self.faults[0].detail)


class UnknownPreset(SearchError):
    """there is no preset of that name"""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        """Name the preset that was asked for and those that exist."""
        self.faults = (Fault(f"no preset is called {name!r}", allowed=tuple(known)),)
        super().__init__(self.faults[0].detail)


class UnknownDocument(SearchError):
    """there is no document with this id"""


class DocumentWithoutTokens(SearchError):
    """the document has no tokens: it has no text, they are not there yet, or the index does not keep them readable"""


class InvalidCursor(SearchError):
    """this service made no such cursor for this key; begin anew"""


class CursorExpired(SearchError):
    """the cursor is no longer valid; begin anew, and ask for the next page sooner or for a longer keep_alive_s"""


class TooManyCursors(SearchError):
    """too many cursors are open; walk to their ends, close them, or wait until they expire"""


class IncompletePage(SearchError):
    """part of the index did not answer in time; send the same cursor again"""


class InferenceUnavailable(SearchError):
    """the query could not be turned into tokens; mode lexical works without"""


class QueryNotEncodable(InferenceUnavailable):
    """the encoder refuses the text of the query"""


class NotFreshInTime(SearchError):
    """the index did not come so far in time"""


class PositionGone(SearchError):
    """the position is of a topic that was deleted or made again"""


class FreshnessUnavailable(SearchError):
    """the service cannot make sure that a position is searchable"""


class CredentialsMissing(SearchError):
    """send a key or a token in the header authorization, as `Bearer ...`"""


class CredentialsRefused(SearchError):
    """these credentials are not known"""


class CredentialsExpired(SearchError):
    """these credentials have expired"""


class CredentialsUnchecked(SearchError):
    """the keys that check this token cannot be fetched"""


class Forbidden(SearchError):
    """these credentials do not allow this"""


class TooManyRequests(SearchError):
    """these credentials have used what they may"""

    def __init__(self, limit: str, retry_after_s: int) -> None:
        """Say the limit, and when to come again."""
        self.retry_after_s = retry_after_s
        super().__init__(f"these credentials allow {limit}, counted by each process of the service")


class HostRefused(SearchError):
    """the service does not go by the name in the header host: call it by one of access.hosts"""


class Overloaded(SearchError):
    """as many searches are running as the search engine takes, ask again later"""


class Row(msgspec.Struct, frozen=True):
    """One kind of problem. `statuses` narrows an error that carries a status; empty means any."""

    error: type[Exception]
    name: str
    status: int
    title: str
    statuses: tuple[int, ...] = ()
    tells: bool = False
    retry_after_s: int | None = None


INTERNAL = Row(Exception, "internal-error", 500, "the service failed; the log has the reason under the request id")

TABLE = (
    Row(InvalidRequest, "invalid-request", 422, "the request is not valid", tells=True),
    Row(MalformedBody, "malformed-body", 400, "the body is not a JSON document", tells=True),
    Row(BodyTooLarge, "body-too-large", 413, "the body is too large", tells=True),
    Row(BodyTooDeep, "body-too-deep", 400, "the body is nested too deeply", tells=True),
    Row(BodyTooSlow, "body-too-slow", 408, "the body did not come in time", tells=True),
    Row(MalformedHead, "malformed-request", 400, "what came is no HTTP request"),
    Row(UrlTooLong, "url-too-long", 414, "the URL is too long", tells=True),
    Row(HeadTooLong, "head-too-long", 431, "the head of the request is too long", tells=True),
    Row(HeadTooSlow, "head-too-slow", 408, "the head of the request did not come in time", tells=True),
    Row(CredentialsMissing, "credentials-missing", 401, "this needs credentials", tells=True),
    Row(CredentialsExpired, "credentials-expired", 401, "the credentials have expired", tells=True),
    # Its message says which check failed: that is for the log.
    Row(CredentialsRefused, "credentials-refused", 401, "the credentials are not valid"),
    Row(CredentialsUnchecked, "credentials-unchecked", 503, "the credentials cannot be checked now", retry_after_s=5),
    Row(Forbidden, "forbidden", 403, "the credentials do not allow this", tells=True),
    Row(TooManyRequests, "too-many-requests", 429, "the credentials have used what they may", tells=True),
    Row(HostRefused, "host-refused", 421, "the service does not go by this name", tells=True),
    Row(UnknownIndex, "unknown-index", 404, "there is no such index", tells=True),
    Row(UnknownPreset, "unknown-preset", 404, "there is no such preset", tells=True),
    Row(UnknownDocument, "unknown-document", 404, "there is no such document", tells=True),
    Row(DocumentWithoutTokens, "document-without-tokens", 422, "the document has no tokens", tells=True),
    Row(InvalidCursor, "invalid-cursor", 400, "there is no such cursor", tells=True),
    Row(CursorExpired, "cursor-expired", 410, "the cursor has expired", tells=True),
    Row(TooManyCursors, "too-many-cursors", 429, "too many cursors are open", tells=True, retry_after_s=10),
    Row(IncompletePage, "incomplete-page", 503, "the page is not complete", tells=True, retry_after_s=1),
    Row(NotFreshInTime, "not-fresh-in-time", 504, "the index did not come so far in time", tells=True, retry_after_s=1),
    Row(PositionGone, "position-gone", 410, "the topic was deleted or made again", tells=True),
    Row(FreshnessUnavailable, "freshness-unavailable", 503, "the service may not refresh the index", tells=True),
    Row(Overloaded, "overloaded", 503, "the service is busy", tells=True, retry_after_s=1),
    Row(ElasticTimeout, "search-timeout", 504, "the search took too long", retry_after_s=1),
    Row(ElasticUnavailable, "search-unavailable", 503, "the search engine cannot be reached", retry_after_s=5),
    Row(ElasticRefused, "search-overloaded", 503, "the search engine is busy", statuses=(429, 503), retry_after_s=1),
    Row(ElasticRefused, "index-not-ready", 503, "the index is not there yet", statuses=(404,), retry_after_s=5),
    Row(ElasticRefused, "search-refused", 502, "the search engine refused the search; the log has the reason"),
    Row(HTTPException, "not-found", 404, "there is nothing at this path", statuses=(404,)),
    Row(HTTPException, "method-not-allowed", 405, "this path does not take this method", statuses=(405,)),
    Row(HTTPException, "malformed-body", 400, "the body is not a JSON document", statuses=(400,)),
    INTERNAL,
)
"""The first row that fits an error is its answer."""


def row_of(error: Exception) -> Row:
    """Return the row of `error`."""
    return next(row for row in TABLE if _fits(row, error))


def _fits(row: Row, error: Exception) -> bool:
    if not isinstance(error, row.error):
        return False
    return not row.statuses or _status(error) in row.statuses


def _status(error: Exception) -> int | None:
    if isinstance(error, ElasticRefused):
        return error.status
    return error.status_code if isinstance(error, HTTPException) else None


def problem(error: Exception, request_id: str) -> Json:
    """Return the problem document of `error`."""
    row = row_of(error)
    document: Json = {"type": f"/problems/{row.name}", "title": row.title, "status": row.status}
    document["request_id"] = request_id
    if row.tells:
        document["detail"] = _printable(str(error))
    if faults := getattr(error, "faults", ()):
        document["errors"] = [_fault(fault) for fault in faults]
    return document


def _fault(fault: Fault) -> Json:
    fields: dict[str, Any] = msgspec.to_builtins(fault)
    return {name: _printable(value) if isinstance(value, str) else value for name, value in fields.items()}


def _printable(text: str) -> str:
    # What a client sent may hold lone surrogates, which JSON can escape but UTF-8 cannot say.
    return text.encode("utf-8", "replace").decode()
