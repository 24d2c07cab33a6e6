"""Clients in processes of their own, which end with the bench."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from compose.local.process import end_with_parent


class Client:
    """A client as `python -m COMMAND`; who ends is started again by `tend`, as operators do."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self.starts = 0
        self._command, self._log = command, log
        self._process: subprocess.Popen[bytes] | None = None

    def tend(self) -> None:
        """Start the client, and start it again when it has ended."""
        if self._process is None or self._process.poll() is not None:
            self.starts += 1
            with self._log.open("ab") as output:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", *self._command],
                    stdout=output,
                    stderr=output,
                    preexec_fn=end_with_parent,  # noqa: PLW1509 - there is one thread that starts processes, the main one
                )

    def end(self) -> None:
        """End the client."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
