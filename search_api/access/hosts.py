"""Names that the service answers to.

A page of another site can have its own name resolve to 127.0.0.1 (DNS rebinding) and so ask a service on the reader's
machine that asks nobody who they are; its requests still carry the page's name in their Host header.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from search_api.access.settings import AccessSettings
from search_api.errors import HostRefused
from search_api.settings import is_loopback

_HOST = re.compile(rb"(\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]{1,253})(:[0-9]{1,5})?", re.IGNORECASE)


class Hosts:
    """Accepts some names; with `of_this_machine`, all that are loopback besides."""

    def __init__(self, names: Collection[str], *, of_this_machine: bool) -> None:
        """Accept `names`, in any case and with any port."""
        self._names = frozenset(name.lower() for name in names)
        self._of_this_machine = of_this_machine

    def check(self, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """Raise HostRefused unless exactly one Host header names one of them."""
        found = [_HOST.fullmatch(value) for name, value in headers if name == b"host"]
        if len(found) == 1 and found[0]:
            host = found[0][1].decode().strip("[]").lower()
            if host in self._names or (self._of_this_machine and is_loopback(host)):
                return
        raise HostRefused


def load(access: AccessSettings) -> Hosts | None:
    """Return the names that count, None for all."""
    if access.is_open:
        return Hosts(access.hosts, of_this_machine=True)
    return Hosts(access.hosts, of_this_machine=False) if access.hosts else None
