"""`make bursts`: how many inferences change-data costs, and whether the index is the same.

10 updates a key, 3 of them with another text, into a deployment without a cache: all at once (what waits is coalesced)
or an update of each key after the other (nothing is), with tokens used again or not.
"""

import argparse
import tempfile
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.table import Table

from compose.local.stack import Stack
from tests.fixtures.bursts import Played, bursts, play
from tests.fixtures.elastic import Elastic
from tests.fixtures.kafka import RECORD, Kafka
from tests.fixtures.scenario import FLOW, OUTPUT, Scenario

PARTITIONS = 4


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bursts", description=__doc__)
    parser.add_argument("--keys", type=int, default=300)
    parser.add_argument("--model", default="synthetic", help=".elser_model_2 is the real encoder")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as undo:
        stack = undo.enter_context(Stack(Path(folder, "stack")))
        kafka = undo.enter_context(Kafka(stack.bootstrap_servers))
        elastic = undo.enter_context(Elastic(stack.elasticsearch_url))
        updates = bursts(given.keys)
        found: dict[tuple[bool, bool], Played] = {}
        for at_once in (True, False):
            for reuse in (True, False):
                case = Scenario(kafka, elastic, Path(folder), _settings(stack, given.model, reuse=reuse))
                found[at_once, reuse] = _played(case, updates, at_once=at_once)
        _show(found)


def _settings(stack: Stack, model: str, *, reuse: bool) -> dict[str, object]:
    return {
        "kafka": {"bootstrap_servers": stack.bootstrap_servers},
        "elasticsearch": {"urls": [stack.elasticsearch_url]},
        "deployments": [{"model_id": model, "cache_size": "0b"}],
        "route": {"inference": [{"input": "text", "output": OUTPUT}]},
        "flow": FLOW | {"reuse_tokens": reuse},
        "admin": {"port": 0},
    }


def _played(case: Scenario, updates: list[list[RECORD]], *, at_once: bool) -> Played:
    case.set_up(PARTITIONS)
    try:
        return play(case, updates, at_once=at_once)
    finally:
        case.elastic.stop_deployment(case.deployment)


def _show(found: dict[tuple[bool, bool], Played]) -> None:
    table = Table("Coalescing", "Reuse", "Records", "Inferences", "Inferences / record", "Same index")
    all_inferred = _contents(found[False, False])
    for (at_once, reuse), played in found.items():
        words = ("on" if on else "off" for on in (at_once, reuse))
        numbers = (f"{played.records:,}", f"{played.inferences:,}", f"{played.share:.3f}")
        table.add_row(*words, *numbers, "yes" if _contents(played) == all_inferred else "NO")
    Console().print(table)


def _contents(played: Played) -> dict[str, object]:
    """Positions, and with them versions, depend on the order in which records were sent."""
    return {name: content for name, (_, content) in played.documents.items()}


if __name__ == "__main__":
    main()
