"""What can go wrong with the local stack; every message says what to do."""

from __future__ import annotations

from pathlib import Path


class LocalStackError(Exception):
    """Base of all errors of the local stack."""


class JdkMissing(LocalStackError):
    """No JDK of the needed version was found."""

    def __init__(self, oldest: int, found: list[str]) -> None:
        seen = f" (found only: {', '.join(found)})" if found else ""
        super().__init__(
            f"no JDK {oldest} or newer in JAVA_HOME, PATH, /usr/lib/jvm, /opt or ~/.sdkman{seen}: install one, "
            f"for example Debian's openjdk-{oldest}-jdk-headless or Eclipse Temurin, or point JAVA_HOME at it"
        )


class MavenMissing(LocalStackError):
    """Maven was not found."""

    def __init__(self) -> None:
        super().__init__(
            "no mvn on PATH or in MAVEN_HOME: install Maven 3.8 or newer, for example Debian's package maven"
        )


class BuildFailed(LocalStackError):
    """A step of the set-up ended with an error."""

    def __init__(self, step: str, output: str) -> None:
        super().__init__(f"{step} failed; mend what it says and run the set-up again:\n{output}")


class NotBuilt(LocalStackError):
    """The stack was started before its set-up, or its sources have changed since."""

    def __init__(self, artifact: str) -> None:
        super().__init__(f"{artifact} is not built or older than its sources: run `python -m compose.local setup`")


class DataInUse(LocalStackError):
    """Another stack works on the same data folder."""

    def __init__(self, folder: Path, owner: str) -> None:
        super().__init__(f"data folder {folder} is in use by {owner}: stop that stack or give another --data")


class PortInUse(LocalStackError):
    """A port that was asked for is taken."""

    def __init__(self, port: int) -> None:
        super().__init__(
            f"port {port} on 127.0.0.1 is in use: stop what listens there or give another port (0 = a free one)"
        )


class NotRunning(LocalStackError):
    """A signal was meant for a part that does not run."""

    def __init__(self, part: str) -> None:
        super().__init__(f"{part} is not running: start it first")


class PartFailed(LocalStackError):
    """A part of the stack ended, or was not ready in time, while it was being started."""

    def __init__(self, part: str, what: str, log: Path, tail: str) -> None:
        super().__init__(f"{part} {what}; see the end of its log {log}:\n{tail}")
        self.part = part
        self.log = log
        self.tail = tail
