"""The rules of the house that no linter knows: sizes, doors, and which room may import which."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.unit.sources import PACKAGES, Module, modules, parse

LONGEST_FUNCTION = 60
LONGEST_FILE = 300

# The only modules that may know a foreign client, by the client's import name; a door may be a package.
DOORS = {
    "confluent_kafka": ("streamer.kafka", "search_api.kafka"),
    "elasticsearch": ("streamer.elastic", "search_api.elastic"),
    "elastic_transport": ("streamer.elastic", "search_api.elastic"),
    "faust": ("streamer.ops",),
}
GROUND_FOR_SEARCH = frozenset({"model", "settings", "errors", "clock", "logs", "metrics", "health", "elastic"})
# Of the streamer's door to Kafka, what is no member of a group: connection, questions, errors, messages.
KAFKA_FOR_SEARCH = tuple(f"streamer.kafka.{name}" for name in ("admin", "client", "complaints", "messages"))
GROUND = GROUND_FOR_SEARCH | {"kafka", "bell", "runtime", "failpoints"}
# In the order in which a document passes them: each may import those before it.
STAGES = ("intake", "batching", "admission", "delivery", "setup", "tools", "ops", "pipeline", "cli", "__main__")


def within(name: str, doors: Iterable[str]) -> bool:
    return any(name == door or name.startswith(f"{door}.") for door in doors)


def room(name: str) -> str:
    """Return the room of a dotted name: `streamer.intake.ledger` is in `intake`, the package itself in none."""
    return [*name.split("."), ""][1]


def oversized(module: Module) -> Iterator[str]:
    if module.lines > LONGEST_FILE:
        yield f"{module.path}: {module.lines} lines"
    for function in module.functions:
        size = (function.end_lineno or function.lineno) - function.lineno + 1
        if size > LONGEST_FUNCTION:
            yield f"{module.path}:{function.lineno} {function.name}: {size} lines"


def trespasses(module: Module) -> Iterator[str]:
    """Yield imports of a foreign client outside its door."""
    for name, line in module.imports:
        client = name.split(".")[0]
        if client in DOORS and not within(module.name, DOORS[client]):
            yield f"{module.path}:{line} imports {name}: only {' and '.join(DOORS[client])} may"


def upstream(module: Module, rooms: frozenset[str]) -> Iterator[str]:
    """Yield imports inside `streamer` that go against the stream; `rooms` are those that exist."""
    own = room(module.name)
    allowed = GROUND | ({*STAGES[: STAGES.index(own) + 1]} if own in STAGES else set())
    for name, line in module.imports:
        if within(name, ["search_api", "compose", "tests"]):
            yield f"{module.path}:{line} imports {name}: the streamer stands alone"
        elif within(name, ["streamer"]) and room(name) in rooms - allowed:
            yield f"{module.path}:{line} imports {name}: {own or 'the package'} may not"


def beyond_ground(module: Module, rooms: frozenset[str]) -> Iterator[str]:
    """Yield imports of `search_api` from anything but itself and the ground floor of `streamer`."""
    for name, line in module.imports:
        foreign = within(name, ["streamer"]) and room(name) in rooms - GROUND_FOR_SEARCH
        if within(name, ["compose", "tests"]) or (foreign and not within(name, KAFKA_FOR_SEARCH)):
            yield f"{module.path}:{line} imports {name}: search_api may use the ground floor of streamer only"


def rooms_of_streamer() -> frozenset[str]:
    return frozenset(room(module.name) for module in modules("streamer")) - {""}


@pytest.mark.parametrize("package", PACKAGES)
def test_files_and_functions_are_short(package):
    assert [line for module in modules(package) for line in oversized(module)] == []


@pytest.mark.parametrize("package", ["streamer", "search_api"])
def test_foreign_clients_stop_at_the_door(package):
    assert [line for module in modules(package) for line in trespasses(module)] == []


def test_each_room_of_the_streamer_has_its_place():
    assert rooms_of_streamer() - GROUND - {*STAGES} == set()


def test_stages_import_one_way():
    rooms = rooms_of_streamer()
    assert [line for module in modules("streamer") for line in upstream(module, rooms)] == []


def test_search_uses_only_the_ground_floor():
    rooms = rooms_of_streamer()
    assert [line for module in modules("search_api") for line in beyond_ground(module, rooms)] == []


# The rules themselves, held against small offenders.


def module(name: str, text: str) -> Module:
    return parse(Path(name), text)


def test_sizes_are_seen():
    long = module("streamer/x.py", "def f():\n" + "    pass\n" * LONGEST_FUNCTION + "\n" * LONGEST_FILE)
    assert list(oversized(long)) == ["streamer/x.py: 361 lines", "streamer/x.py:1 f: 61 lines"]


@pytest.mark.parametrize(
    ("path", "text", "found"),
    [
        ("streamer/intake/x.py", "import confluent_kafka.admin", 1),
        ("streamer/kafka/x.py", "from confluent_kafka import Consumer", 0),
        ("streamer/elastic.py", "import elasticsearch", 0),
        ("streamer/elastics.py", "import elasticsearch", 1),
        ("streamer/delivery/x.py", "def f():\n    from elasticsearch import helpers", 1),
        ("search_api/app.py", "from elasticsearch import AsyncElasticsearch", 1),
        ("search_api/elastic.py", "from elasticsearch import AsyncElasticsearch", 0),
    ],
)
def test_doors_are_guarded(path, text, found):
    assert len(list(trespasses(module(path, text)))) == found


ROOMS = GROUND | {*STAGES}


@pytest.mark.parametrize(
    ("path", "text", "found"),
    [
        ("streamer/intake/ledger.py", "from streamer.model import Document", 0),
        ("streamer/intake/ledger.py", "from streamer.delivery import bulk", 1),
        ("streamer/intake/ledger.py", "from streamer import delivery", 1),
        ("streamer/intake/ledger.py", "from ..delivery import bulk", 1),
        ("streamer/delivery/bulk.py", "from ..batching.batcher import Batch\nfrom .outcome import table", 0),
        ("streamer/elastic.py", "from streamer.intake import ledger", 1),
        ("streamer/pipeline.py", "from streamer import admission, batching, delivery, intake", 0),
        ("streamer/pipeline.py", "from search_api.app import app", 1),
        ("streamer/__init__.py", "from streamer.pipeline import run", 1),
    ],
)
def test_the_stream_has_a_direction(path, text, found):
    assert len(list(upstream(module(path, text), ROOMS))) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("from streamer.settings import Settings\nfrom search_api.query import body", 0),
        ("from streamer.intake.identity import document_id", 1),
        ("from streamer import pipeline", 1),
        ("import streamer.kafka.source", 1),
        ("from streamer.kafka import source", 1),
        ("from streamer.kafka.admin import Admin", 0),
        ("from compose.local import stack", 1),
    ],
)
def test_search_stays_on_the_ground(text, found):
    assert len(list(beyond_ground(module("search_api/x.py", text), ROOMS))) == found
