"""Finds the JDK and Maven of this machine: the default `java` is often older than what Elasticsearch needs."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from compose.local.errors import JdkMissing, MavenMissing

OLDEST_JDK = 21
COLLECTIONS = ("/usr/lib/jvm", "/usr/java", "/opt", "~/.sdkman/candidates/java", "~/.jdks")


@dataclass(frozen=True, slots=True)
class Jdk:
    """A JDK with its compiler; `version` is the feature release, such as 21."""

    home: Path
    version: int

    @property
    def java(self) -> Path:
        """The launcher."""
        return self.home / "bin" / "java"

    @property
    def javac(self) -> Path:
        """The compiler."""
        return self.home / "bin" / "javac"


def feature_release(release: str) -> int | None:
    """The feature release in a JDK's `release` file, None when it names none (JEP 223: `JAVA_VERSION="21.0.4"`)."""
    match = re.search(r'^JAVA_VERSION="(?:1\.)?(\d+)', release, re.MULTILINE)
    return int(match[1]) if match else None


def jdk_at(home: Path) -> Jdk | None:
    """The JDK in a folder; None when there is none or it lacks the compiler."""
    release = home / "release"
    if not (home / "bin" / "javac").is_file() or not release.is_file():
        return None
    version = feature_release(release.read_text(errors="replace"))
    return None if version is None else Jdk(home, version)


def chosen(environment: Mapping[str, str]) -> Iterator[Path]:
    """Folders that somebody pointed at: JAVA_HOME, then the compiler on PATH."""
    if home := environment.get("JAVA_HOME"):
        yield Path(home)
    if javac := shutil.which("javac", path=environment.get("PATH")):
        yield Path(javac).resolve().parent.parent


def installed(collections: tuple[str, ...]) -> Iterator[Path]:
    """Folders where distributions and version managers put JDKs."""
    for collection in (Path(name).expanduser() for name in collections):
        if collection.is_dir():
            yield from sorted(collection.iterdir())


def find_jdk(environment: Mapping[str, str] = os.environ, collections: tuple[str, ...] = COLLECTIONS) -> Jdk:
    """The first chosen JDK that is new enough, else the newest installed one. Raises JdkMissing."""
    pointed = [jdk for home in chosen(environment) if (jdk := jdk_at(home))]
    others = [jdk for home in installed(collections) if (jdk := jdk_at(home))]
    others.sort(key=lambda jdk: jdk.version, reverse=True)
    for jdk in (*pointed, *others):
        if jdk.version >= OLDEST_JDK:
            return jdk
    raise JdkMissing(OLDEST_JDK, sorted({f"{jdk.version} in {jdk.home}" for jdk in (*pointed, *others)}))


def find_maven(environment: Mapping[str, str] = os.environ) -> Path:
    """The `mvn` command. Raises MavenMissing."""
    folders = [f"{environment[name]}/bin" for name in ("MAVEN_HOME", "M2_HOME") if environment.get(name)]
    path = os.pathsep.join([*folders, environment.get("PATH", os.defpath)])
    if command := shutil.which("mvn", path=path):
        return Path(command)
    raise MavenMissing
