"""Films flow through the real encoder into the index, and the index holds exactly what the topic says."""

import json
import random
from collections import Counter

import jsonschema

import schemas
from tests.fixtures.films import films, key_of, records_of, value_of
from tests.fixtures.scenario import OUTPUT, assert_conserved, results
from tests.fixtures.stack import ENCODER_ENDPOINT
from tests.fixtures.truth import assert_exact, has_text, newest
from tests.fixtures.waiting import until

BLANKS = ({"text": ""}, {"text": " \n"}, {"text": None})


def mixed(seed: int):
    """Return records of 300 keys: new films, changed ones, films without text, deletions and returns."""
    choose = random.Random(seed)
    given = films(300)
    changed = [film | {"text": f"{film['text']} Second cut.", "rating": 1.5} for film in choose.sample(given, 60)]
    blank = [film | choose.choice(BLANKS) for film in choose.sample(given, 30)]
    missing = [{name: value for name, value in film.items() if name != "text"} for film in choose.sample(given, 10)]
    deleted = choose.sample(given, 40)
    again = [film | {"title": f"{film['title']} (restored)"} for film in choose.sample(deleted, 15)]
    later = [*records_of(changed + blank + missing), *((key_of(film), None) for film in deleted)]
    choose.shuffle(later)
    return [*records_of(given), *later, *((key_of(film), value_of(film)) for film in again)]


def test_the_index_holds_exactly_the_newest_records(scenario, encoder, elastic):
    case = scenario(deployment={"id": encoder, "model_id": ".elser_model_2"})
    case.set_up()
    records = mixed(seed=20)
    half = len(records) // 2
    case.send(records[:half])
    running = case.start()
    running.await_started()
    case.send(records[half:])
    case.await_done(running)

    documents = assert_exact(case)
    texts = {key: found.source["text"] for key, found in documents.items() if has_text(found.source)}
    tokens = dict(zip(texts, elastic.tokens(ENCODER_ENDPOINT, list(texts.values())), strict=True))
    assert {key: documents[key].source[OUTPUT] for key in texts} == tokens
    assert_encoded_by(case, documents, model=".elser_model_2")

    status = running.status()
    assert sum(status["results"].values()) == len(records)
    assert status["rejections"] == 0
    assert case.letters() == []
    assert_conserved(running)
    until(lambda: told(case) == Counter(status["results"]), "outcome events for every record")
    assert_progress(case, running)


def assert_encoded_by(case, documents, model):
    """What the tokens depend on is written beside them: the hash differs exactly where the text does."""
    (pipeline,) = case.elastic.ask("GET", f"/_ingest/pipeline/{case.name}-elser").values()
    with_text = [found.source for found in documents.values() if has_text(found.source)]
    reserved = [source["_streamer"] for source in with_text]
    assert {(it["model"], it["pipeline_revision"]) for it in reserved} == {(model, pipeline["_meta"]["revision"])}
    assert len({it["text_hash"] for it in reserved}) == len({source["text"] for source in with_text})


def told(case):
    """Return the sum of all outcome events."""
    total = Counter()
    for message in case.kafka.read(case.outcomes):
        event = json.loads(message.value())
        jsonschema.validate(event, schemas.schema("outcome"))
        assert message.key().decode() == event["route"] == case.name
        assert (event["topic"], event["index"], event["rejections"]) == (case.topic, case.index, {})
        total.update(event["results"])
    return total


def assert_progress(case, running):
    """The last event of each partition tells the log's end."""
    last = {}
    for message in case.kafka.read(case.progress):
        event = json.loads(message.value())
        jsonschema.validate(event, schemas.schema("progress"))
        assert message.key().decode() == f"{event['topic']}:{event['partition']}"
        assert event["watermark"] >= last.get(event["partition"], event)["watermark"]
        last[event["partition"]] = event
    assert {number: event["watermark"] for number, event in last.items()} == case.kafka.ends(case.topic)
    assert {event["instance"] for event in last.values()} == {running.status()["instance"]}
    latest = {record.partition: record.timestamp_ms for record in case.sent}
    assert {number: event["record_timestamp_ms"] for number, event in last.items()} == latest


def test_a_restart_at_the_end_takes_nothing_again(scenario, elastic):
    case = scenario()
    case.set_up()
    case.send(records_of(films(50)))
    first = case.start()
    case.await_done(first)
    first.terminate()
    assert first.wait() == 0
    before = elastic.documents(case.index)
    assert elastic.inferences(case.deployment) == len(newest(case.sent))

    second = case.start()
    until(
        lambda: len(second.status()["partitions"]) == 4 + 2,
        "the partitions of the second run, with those of redrive and backlog",
    )
    extra = case.send(records_of(films(1, start=100)))
    case.await_done(second)
    assert results(second) == {"indexed": 1}
    assert elastic.inferences(case.deployment) == len(newest(case.sent))
    after = elastic.documents(case.index)
    assert {key: found for key, found in after.items() if key in before} == before
    assert extra[0].key.decode() in after
