import socket

import pytest

from compose.local import ports
from compose.local.errors import PortInUse


def test_free_ports_are_different_and_below_the_range_of_outgoing_connections():
    chosen = ports.free(5)
    assert len(set(chosen)) == 5
    assert all(port < 32768 for port in chosen)


def test_a_port_in_use_is_refused():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        with pytest.raises(PortInUse, match="is in use"):
            ports.check(listener.getsockname()[1])


def test_a_free_port_passes():
    ports.check(ports.free(1)[0])
