"""Values for tests, with everything set that a test does not care about."""

import msgspec
import orjson

from streamer.intake.parcel import Parcel, fields
from streamer.intake.route import Route
from streamer.model import PLAIN, Partition, Record, Write
from streamer.settings import InferenceField

LANE = "for_ingest"
P0, P1, P2 = (Partition("films", number) for number in range(3))


def record(offset=0, value=b'{"text":"a film"}', key=b"k", partition=P0, headers=(), timestamp_ms=1_763_800_000_000):
    return Record(partition, offset, timestamp_ms, key, value, headers)


def write(offset=0, id="k", partition=P0, generation=1, lane=LANE, **fields):  # noqa: A002 - the model's own name
    """Return a write with one input, or with none in the lane PLAIN."""
    defaults = {
        "version": fields.pop("version", (offset + 1) * 4 + 1),
        "epoch": 1,
        "generation": generation,
        "body": b'{"text":"a film"}',
        "lane": lane,
        "inputs": 0 if lane == PLAIN else 1,
        "text_hash": "" if lane == PLAIN else "h",
    }
    taken = fields.pop("record", None) or record(offset, key=id.encode(), partition=partition)
    return Write("films", taken, id, **(defaults | fields))


def parcel(taken, route="films", topic_id="tid", epoch=1, attempts=0):
    return Parcel(taken, route, topic_id, epoch, attempts)


def carrying(packed, offset=0, topic="streamer-redrive"):
    """Return a record of one of our topics that holds a parcel."""
    return record(offset, orjson.dumps(fields(packed)), b"films\0k", Partition(topic, 0), timestamp_ms=1)


def deletion(offset=0, id="k", **fields):  # noqa: A002 - the model's own name
    return write(offset, id, lane=PLAIN, body=None, **fields)


ROUTE = Route(
    name="films",
    topics=("films",),
    format="json",
    index="films",
    concrete_index="films-000001",
    pipeline="films-elser",
    pipeline_revision="r1",
    model=".elser_model_2",
    deployment=LANE,
    inference=(InferenceField(input="text", output="text_tokens"),),
    id_from="key",
    id_prefix="",
    version_from="position",
    filters=(),
)


def route(*inference, **fields):
    """Return the route with other fields; `inference` are (input, output) pairs."""
    if inference:
        fields["inference"] = tuple(InferenceField(input=one, output=other) for one, other in inference)
    return msgspec.structs.replace(ROUTE, **fields)
