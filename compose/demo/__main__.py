"""`python -m compose.demo`: stack, set-up, load, run, three searches, and the search page until Ctrl-C.

With `--once` the demo checks itself, prints one summary line and ends with status 0, or 1 when something is wrong.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
from rich.console import Console

from compose.demo import searches
from compose.demo.facts import DATA, TOPIC, System, Work, expected, verify
from compose.demo.programs import DemoError, beside, environment, finish
from compose.demo.progress import Progress
from compose.local import ports
from compose.local.errors import LocalStackError, PortInUse
from compose.local.stack import ELASTICSEARCH_PORT, KAFKA_PORT, Stack

SEARCH_PORT, STREAMER_ADMIN_PORT, SEARCH_ADMIN_PORT = 9610, 9600, 9611
PARTITIONS = 4
CAUGHT_UP_S = 3_600.0
SERVING_S = 30.0
POLL_S = 0.25

console = Console()


def main() -> int:
    """Run the demo and return its exit status."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="check what was done and end")
    parser.add_argument("--data", type=Path, default=Path(".local/demo"), help="where the demo keeps its data")
    given = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # in order with the programs' own output
    try:
        _demo(given.data, once=given.once)
    except KeyboardInterrupt:
        console.print("stopped")
    except (DemoError, LocalStackError, httpx.HTTPError) as error:
        console.print(f"demo: {error}", style="red", highlight=False)
        return 1
    return 0


def _demo(data: Path, *, once: bool) -> None:
    started = time.monotonic()
    kafka, elasticsearch, search, streamer_admin, search_admin = _ports()
    with Stack(data, kafka_port=kafka, elasticsearch_port=elasticsearch) as stack:
        console.print(f"Kafka {stack.bootstrap_servers}, Elasticsearch {stack.elasticsearch_url}", highlight=False)
        own = {"streamer": streamer_admin, "search": search, "search_admin": search_admin}
        env = environment(stack.bootstrap_servers, stack.elasticsearch_url, own)
        finish(["streamer", "setup"], env)
        finish(["streamer", "load", str(DATA), "--topic", TOPIC, "--key", "id", "--partitions", str(PARTITIONS)], env)
        system = System(stack.bootstrap_servers, stack.elasticsearch_url, streamer_admin)
        with (
            beside(["streamer", "run"], env, data / "logs" / "streamer.log") as streamer,
            beside(["search_api"], env, data / "logs" / "search-api.log") as search_api,
        ):
            work = _catch_up(system, streamer)
            page = f"http://127.0.0.1:{search}"
            _await_serving(f"{page}/readyz", search_api)
            searches.show(page, console)
            if once:
                verify(system, expected())
                console.print(summary(system, work, started), highlight=False, soft_wrap=True)
            else:
                console.print(f"\nSearch page: {page}/   (Ctrl-C ends everything)", style="bold")
                _until_interrupted([streamer, search_api])
        system.close()


def _ports() -> list[int]:
    """Return the well-known ports, or free ones where those are taken."""
    wanted = (KAFKA_PORT, ELASTICSEARCH_PORT, SEARCH_PORT, STREAMER_ADMIN_PORT, SEARCH_ADMIN_PORT)
    return [port if _is_free(port) else free for port, free in zip(wanted, ports.free(len(wanted)), strict=True)]


def _is_free(port: int) -> bool:
    try:
        ports.check(port)
    except PortInUse:
        return False
    return True


def _catch_up(system: System, streamer: subprocess.Popen[bytes]) -> list[Work]:
    """Wait until all is committed, and return the deployment's work as it was seen on the way."""
    deadline = time.monotonic() + CAUGHT_UP_S
    seen = [system.work()]
    with Progress(console) as progress:
        while lag := system.lag():
            if streamer.poll() is not None:
                raise DemoError(f"the streamer ended with status {streamer.returncode}: see logs/streamer.log")
            if time.monotonic() > deadline:
                raise DemoError(f"the streamer did not catch up within {CAUGHT_UP_S:.0f} s")
            progress.show(system.status(), lag)
            time.sleep(POLL_S)
            seen.append(system.work())
    return seen


def _await_serving(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + SERVING_S
    while not _answers(url):
        if process.poll() is not None or time.monotonic() > deadline:
            raise DemoError(f"{url} does not answer: see logs/search-api.log in the demo's data folder")
        time.sleep(POLL_S)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False


def _until_interrupted(processes: list[subprocess.Popen[bytes]]) -> None:
    while all(process.poll() is None for process in processes):
        threading.Event().wait(1.0)
    raise DemoError("a program of the demo ended by itself")


def summary(system: System, seen: list[Work], started: float) -> str:
    """Return the summary line: what is there, how fast it came, how busy the allocation was meanwhile.

    The time runs from the last look before the first inference to the first look after the last one.
    """
    first = [work for work in seen if work.inferences == seen[0].inferences][-1]
    last = next(work for work in seen if work.inferences == seen[-1].inferences)
    inferred = last.inferences - first.inferences
    work = "nothing to infer"
    if inferred:
        seconds = last.at - first.at
        busy = (last.milliseconds - first.milliseconds) / 1_000 / seconds
        work = f"{inferred:,} inferred in {seconds:.1f} s, {inferred / seconds:.1f} documents/s, busy share {busy:.3f}"
    return (
        f"demo ok: {system.count():,} documents, {work}, {last.rejections} rejections, lag 0, "
        f"conservation difference 0, {time.monotonic() - started:.0f} s in all"
    )


if __name__ == "__main__":
    sys.exit(main())
