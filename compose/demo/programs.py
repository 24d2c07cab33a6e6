"""The programs of the demo: run to their end, or run beside it and ended with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from compose.local.process import end_with_parent

FILMS = Path(__file__).parents[1] / "films"
STOP_S = 40.0


class DemoError(Exception):
    """A step of the demo failed; the message says which."""


def environment(bootstrap_servers: str, elasticsearch_url: str, ports: Mapping[str, int]) -> dict[str, str]:
    """Return the environment that points the programs at the stack, each admin port its own."""
    return os.environ | {
        "STREAMER_CONFIG": str(FILMS / "streamer.toml"),
        "STREAMER_KAFKA__BOOTSTRAP_SERVERS": bootstrap_servers,
        "STREAMER_ELASTICSEARCH__URLS": f'["{elasticsearch_url}"]',
        "STREAMER_ADMIN__PORT": str(ports["streamer"]),
        "SEARCH_API_CONFIG": str(FILMS / "search-api.toml"),
        "SEARCH_API_ELASTICSEARCH__URLS": f'["{elasticsearch_url}"]',
        "SEARCH_API_KAFKA__BOOTSTRAP_SERVERS": bootstrap_servers,
        "SEARCH_API_LISTEN__PORT": str(ports["search"]),
        "SEARCH_API_ADMIN__PORT": str(ports["search_admin"]),
    }


def finish(arguments: list[str], env: Mapping[str, str]) -> None:
    """Run a module with our Python to its end, in the foreground. Raises DemoError when it fails."""
    status = subprocess.run([sys.executable, "-m", *arguments], env=env, check=False).returncode
    if status:
        raise DemoError(f"`{' '.join(arguments)}` ended with status {status}")


@contextmanager
def beside(arguments: list[str], env: Mapping[str, str], log: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Run a module while the block runs; on the way out ask it to stop and wait. Its output goes to `log`, if given.

    It has a session of its own, so that Ctrl-C reaches the demo alone, which then ends everything in good order; if the
    demo is killed, the kernel asks the program to stop.
    """
    with (log or Path(os.devnull)).open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            env=env,
            start_new_session=True,
            preexec_fn=end_with_parent,  # noqa: PLW1509 - the demo has no threads
            stdout=output if log else None,
            stderr=subprocess.STDOUT if log else None,
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
