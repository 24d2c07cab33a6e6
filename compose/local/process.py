"""Child processes that can be stopped, killed and frozen, each with its own process group, and none left behind."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from compose.local.errors import NotRunning, PartFailed

TAIL_BYTES = 4000
POLL_S = 0.05
START_S = 60.0
STOP_S = 20.0
PR_SET_PDEATHSIG = 1  # linux/prctl.h
# The child tells the guard its process group before it becomes the program: no moment in which nobody would kill it.
REGISTERED = ("/bin/sh", "-c", 'echo $$ >&0 && exec "$@" </dev/null', "sh")


def end_with_parent() -> None:
    """Called in a child before it becomes the program: the kernel asks it to end when the thread that made it ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Guard:
    """The handle of a guard process (see guard.py); `inherited` is a file descriptor that it keeps open."""

    def __init__(self, inherited: int) -> None:
        reading, self.descriptor = os.pipe()
        program = str(Path(__file__).with_name("guard.py"))
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", program], stdin=reading, start_new_session=True, pass_fds=[inherited]
        )
        os.close(reading)

    @property
    def pid(self) -> int:
        """The guard's process id."""
        return self._process.pid

    def forget(self, group: int) -> None:
        """The group has ended: its number may soon be another's."""
        os.write(self.descriptor, f"-{group}\n".encode())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Lets the guard kill what was not forgotten, and end."""
        os.close(self.descriptor)
        self._process.wait()


class Child:
    """A running program, the leader of its own process group, writing to a log."""

    def __init__(self, command: list[str], log: Path, guard: Guard, environment: dict[str, str] | None = None) -> None:
        self._guard = guard
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [*REGISTERED, *command],
                stdin=guard.descriptor,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, **(environment or {})},
            )
        self._handle = os.pidfd_open(self._process.pid)

    @property
    def pid(self) -> int:
        """The program's process id, and its group's."""
        return self._process.pid

    def wait(self, timeout_s: float) -> bool:
        """Whether the program has ended, waiting for it so long; it is not reaped, so its number stays its own."""
        return bool(select.select([self._handle], [], [], timeout_s)[0])

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to the program and all that it has started."""
        os.killpg(self.pid, number)

    def freeze(self) -> None:
        """Stops the program and all that it has started in their tracks, and waits until it stands still."""
        self.signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def terminate(self) -> None:
        """Asks the program to end, also when it is frozen."""
        self.signal(signal.SIGCONT)
        os.kill(self.pid, signal.SIGTERM)

    def end(self) -> int:
        """Kills the whole group, reaps the program and returns its exit status (negative: the signal)."""
        self.signal(signal.SIGKILL)
        status = self._process.wait()
        os.close(self._handle)
        self._guard.forget(self.pid)
        return status


class Part:
    """A part of the stack, which can be started again and again.

    `command` prepares what the program needs and returns its command line; `ready` is asked whether the program serves
    until it says yes, and gets the seconds that the answer may take.
    """

    def __init__(
        self, name: str, command: Callable[[], list[str]], *, log: Path, guard: Guard, ready: Callable[[float], bool]
    ) -> None:
        self.name = name
        self.log = log
        self._command = command
        self._guard = guard
        self._ready = ready
        self._child: Child | None = None
        self._beginning = 0

    @property
    def pid(self) -> int:
        """The process id. Raises NotRunning."""
        return self._running().pid

    @property
    def running(self) -> bool:
        """Whether the process exists, frozen or not."""
        return self._child is not None and not self._child.wait(0)

    def start(self, timeout_s: float = START_S) -> None:
        """Starts the process, if it is not running, and waits until it serves. Raises PartFailed."""
        self.launch()
        self.await_ready(timeout_s)

    def launch(self) -> None:
        """Starts the process, if it is not running, and does not wait for it."""
        if self.running:
            return
        self._discard()
        command = self._command()
        self._beginning = self.log.stat().st_size if self.log.exists() else 0
        self._child = Child(command, self.log, self._guard)

    def await_ready(self, timeout_s: float = START_S) -> None:
        """Waits until the process serves. Raises PartFailed when it ends or takes longer, NotRunning when it has."""
        child = self._running()
        deadline = time.monotonic() + timeout_s
        while not child.wait(POLL_S):
            left = deadline - time.monotonic()
            if left <= 0:
                self._discard()
                raise self.failure(f"was not ready after {timeout_s:g} s")
            if self._ready(left):
                return
        self._child = None
        raise self.failure(f"ended with status {child.end()} while starting")

    def failure(self, what: str) -> PartFailed:
        """The error for what has happened, with the end of the log since the last start."""
        with self.log.open("rb") as log:
            log.seek(max(self._beginning, self.log.stat().st_size - TAIL_BYTES))
            return PartFailed(self.name, what, self.log, log.read().decode(errors="replace").rstrip())

    def terminate(self) -> None:
        """Asks the process to end and does not wait for it; `stop` does. Nothing when it is not running."""
        if self._child is not None:
            self._child.terminate()

    def stop(self, timeout_s: float = STOP_S) -> None:
        """Ends the process in good order; after `timeout_s` by force. Nothing when it is not running."""
        if self._child is not None:
            self._child.terminate()
            self._child.wait(timeout_s)
            self._discard()

    def kill(self) -> None:
        """SIGKILL, as if the machine had lost power. Raises NotRunning."""
        self._running()
        self._discard()

    def suspend(self) -> None:
        """Freezes the process and its children (SIGSTOP): connections stay open, nothing answers. Raises NotRunning."""
        self._running().freeze()

    def resume(self) -> None:
        """Ends `suspend`. Raises NotRunning."""
        self._running().signal(signal.SIGCONT)

    def _running(self) -> Child:
        if self._child is None or self._child.wait(0):
            raise NotRunning(self.name)
        return self._child

    def _discard(self) -> None:
        if self._child is not None:
            self._child.end()
            self._child = None
