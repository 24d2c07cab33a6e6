"""Resolves the jars and compiles the Java of the local stack into `.local/`.

Each artifact lies in a folder named by the digest of what it is made from, and gets there by a rename: what exists is
complete and up to date, so a set-up with nothing to do only computes digests. What older sources made stays until
`make clean`: a stack may be running on it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from compose.local.errors import BuildFailed, NotBuilt
from compose.local.toolchain import Jdk, find_jdk, find_maven

HERE = Path(__file__).parent
KAFKA_POM = HERE / "kafka" / "pom.xml"
ELASTICSEARCH_POM = HERE / "elasticsearch" / "pom.xml"
ELASTICSEARCH_SOURCES = HERE / "elasticsearch" / "src"
OUTPUT = HERE.parents[1] / ".local"
TAIL_CHARACTERS = 4000


@dataclass(frozen=True, slots=True)
class Artifact:
    """A folder of jars or classes; `digest` is over everything that it is made from."""

    name: str
    digest: str
    output: Path

    @property
    def folder(self) -> Path:
        """Where it is, or will be."""
        return self.output / f"{self.name}-{self.digest[:16]}"

    @property
    def jars(self) -> str:
        """Its jars as a class path entry."""
        return f"{self.folder}/*"

    def require(self) -> Artifact:
        """Itself. Raises NotBuilt when the folder is missing."""
        if not self.folder.is_dir():
            raise NotBuilt(self.name)
        return self


@dataclass(frozen=True, slots=True)
class Artifacts:
    """All that the set-up makes, for one JDK."""

    jdk: Jdk
    kafka: Artifact
    elasticsearch: Artifact
    classes: Artifact

    @property
    def kafka_class_path(self) -> str:
        """For `java -cp`. Raises NotBuilt."""
        return self.kafka.require().jars

    @property
    def elasticsearch_class_path(self) -> str:
        """For `java -cp`. Raises NotBuilt."""
        return f"{self.classes.require().folder}:{self.elasticsearch.require().jars}"


def digest(files: Iterable[Path], *salt: str) -> str:
    """SHA-256 over names and contents of files, in the order of their names, and over the salt."""
    total = hashlib.sha256("\0".join(salt).encode())
    for file in sorted(files):
        total.update(f"\0{file.name}\0".encode())
        total.update(hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()


def artifacts(jdk: Jdk | None = None, output: Path = OUTPUT) -> Artifacts:
    """What belongs to the poms and sources as they are now, built or not. Raises JdkMissing."""
    jdk = jdk or find_jdk()
    elasticsearch = Artifact("elasticsearch-jars", digest([ELASTICSEARCH_POM]), output)
    compiled = digest(sources(), elasticsearch.digest, str(jdk.version))
    return Artifacts(
        jdk=jdk,
        kafka=Artifact("kafka-jars", digest([KAFKA_POM]), output),
        elasticsearch=elasticsearch,
        classes=Artifact("elasticsearch-classes", compiled, output),
    )


def sources() -> list[Path]:
    """The Java files of the local ML node."""
    return sorted(ELASTICSEARCH_SOURCES.rglob("*.java"))


def setup(report: Callable[[str], None], output: Path = OUTPUT) -> Artifacts:
    """Builds what is missing, one line to `report` a step. Raises JdkMissing, MavenMissing and BuildFailed."""
    wanted = artifacts(output=output)
    report(f"jdk {wanted.jdk.version}: {wanted.jdk.home}")
    with _alone(output):
        _build(wanted.kafka, lambda folder: _resolve(KAFKA_POM, folder, wanted.jdk), report)
        _build(wanted.elasticsearch, lambda folder: _resolve(ELASTICSEARCH_POM, folder, wanted.jdk), report)
        _build(wanted.classes, lambda folder: _compile(wanted, folder), report)
    return wanted


@contextmanager
def _alone(output: Path) -> Iterator[None]:
    """Two set-ups at once would build the same folders."""
    output.mkdir(parents=True, exist_ok=True)
    with (output / "setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(artifact: Artifact, make: Callable[[Path], None], report: Callable[[str], None]) -> None:
    if artifact.folder.is_dir():
        report(f"{artifact.name}: up to date")
        return
    report(f"{artifact.name}: building")
    unfinished = artifact.output / f"{artifact.name}.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    make(unfinished)
    unfinished.rename(artifact.folder)


def _resolve(pom: Path, folder: Path, jdk: Jdk) -> None:
    command = [str(find_maven()), "-q", "-B", "-f", str(pom), "dependency:copy-dependencies"]
    _run(f"resolving {pom.parent.name}'s jars", [*command, f"-DoutputDirectory={folder}"], jdk)


def _compile(wanted: Artifacts, folder: Path) -> None:
    command = [str(wanted.jdk.javac), "-nowarn", "-d", str(folder), "-cp", wanted.elasticsearch.jars]
    _run("compiling the local ML node", [*command, *map(str, sources())], wanted.jdk)


def _run(step: str, command: list[str], jdk: Jdk) -> None:
    environment = {**os.environ, "JAVA_HOME": str(jdk.home)}
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode != 0:
        raise BuildFailed(step, done.stdout[-TAIL_CHARACTERS:])
