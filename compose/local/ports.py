"""Loopback ports: a check of the ones asked for, and free ones that stay free while a part is down."""

from __future__ import annotations

import errno
import random
import socket
from contextlib import ExitStack

from compose.local.errors import PortInUse

# Below Linux's range for outgoing connections (ip_local_port_range, from 32768): a client that keeps calling a dead
# port of that range can be given the same port as its own end, and is then connected to itself.
RANGE = range(20000, 32000)


def free(count: int) -> list[int]:
    """So many different ports that nothing listens on."""
    chosen: list[int] = []
    with ExitStack() as held:
        for port in random.sample(RANGE, len(RANGE)):
            if len(chosen) == count:
                break
            if (bound := _bind(port)) is not None:
                held.enter_context(bound)
                chosen.append(port)
    return chosen


def check(port: int) -> None:
    """Raises PortInUse when something listens on the port."""
    bound = _bind(port)
    if bound is None:
        raise PortInUse(port)
    bound.close()


def _bind(port: int) -> socket.socket | None:
    bound = socket.socket()
    # As servers do: connections that are closing do not keep the port.
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(("127.0.0.1", port))
        bound.listen(1)
    except OSError as error:
        bound.close()
        if error.errno != errno.EADDRINUSE:
            raise
        return None
    return bound
