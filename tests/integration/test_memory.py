"""Records that wait behind a closed gate are Kafka's to keep: memory is bounded by what may be outstanding.

`--waiting-records 10000000` lets more of them wait than the ring does; `--log-cli-level INFO` tells the figures.
"""

import json
import logging
from pathlib import Path

from tests.fixtures.waiting import throughout, until

PARTITIONS = 4
FILL = 40_000
"""Twice what may be outstanding by default: from then on every partition is paused."""

MOST_GROWTH_MB = 64
SLICES = 20
QUIET_S = 3.0
TEXT = "a quiet film about a lighthouse and those who pass it " * 2

log = logging.getLogger(__name__)


def rss_mb(pid):
    status = Path(f"/proc/{pid}/status").read_text("utf-8")
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1_024


def values(first, count):
    return (json.dumps({"id": number, "text": f"{TEXT}{number}"}).encode() for number in range(first, first + count))


def test_memory_is_flat_while_records_wait_behind_a_closed_gate(scenario, pytestconfig):
    waiting = pytestconfig.getoption("waiting_records")
    case = scenario()
    case.set_up(PARTITIONS)
    case.elastic.stop_deployment(case.deployment)
    running = case.start()
    case.kafka.fill(case.topic, values(0, FILL))
    paused = "streamer_paused_partitions"
    until(lambda: running.metric(paused).get((), 0) == PARTITIONS, "all partitions to be paused")
    before, seen = rss_mb(running.pid), []

    def look():
        seen.append(rss_mb(running.pid))
        assert running.status()["state"] == "holding"

    for number in range(SLICES):
        case.kafka.fill(case.topic, values(FILL + number * waiting // SLICES, waiting // SLICES))
        look()
    throughout(QUIET_S, look)
    log.info("%.0f MB before, %.0f to %.0f MB while %d records came", before, min(seen), max(seen), waiting)
    assert sum(case.kafka.ends(case.topic).values()) == FILL + waiting
    assert case.committed == 0
    assert max(seen) - before <= MOST_GROWTH_MB
