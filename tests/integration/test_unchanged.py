"""A text that has not changed is not inferred again, on the real core: its tokens are taken from the index."""

import pytest

from tests.fixtures.films import films, key_of, records_of, value_of
from tests.fixtures.scenario import OUTPUT, results
from tests.fixtures.truth import RESERVED, assert_exact

COUNT = 40
CHANGED = 10


def tokens(documents, output=OUTPUT):
    return {name: found.source[output] for name, found in documents.items()}


def rated(given, rating, *, changed=0):
    """Return films with another rating, the first of them with another text too."""
    return [
        film | {"rating": rating} | ({"text": f"{film['text']} Again."} if number < changed else {})
        for number, film in enumerate(given)
    ]


def end(running):
    running.terminate()
    assert running.wait() == 0


def again(case, given):
    """Send films to a streamer of its own; return it when all is done, and how many inferences it took."""
    before = case.elastic.inferences(case.deployment)
    running = case.start()
    case.send(records_of(given))
    case.await_done(running)
    return running, case.elastic.inferences(case.deployment) - before


def indexed(case, given):
    """Index films with a streamer that ends then."""
    running, inferences = again(case, given)
    assert inferences == len(given)
    end(running)
    return case.elastic.documents(case.index)


def test_after_a_restart_changed_texts_are_inferred_and_no_others(scenario):
    case = scenario()
    case.set_up()
    given = films(COUNT)
    before = tokens(indexed(case, given))
    running, inferences = again(case, rated(given, 7, changed=CHANGED))
    assert inferences == CHANGED
    assert results(running) == {"unchanged": COUNT - CHANGED, "indexed": CHANGED}
    found = assert_exact(case)
    after = tokens(found)
    same = {film["id"] for film in given[CHANGED:]}
    assert {name for name in after if after[name] == before[name]} == same
    assert {one.source["model_id"] for one in found.values()} == {case.deployment}
    assert running.metric("streamer_lookups_total") == {
        ("unchanged", case.name): COUNT - CHANGED,
        ("changed", case.name): CHANGED,
    }
    assert running.status()["reuse_off"] == {}
    end(running)
    # The documents that were spared are as good a source as those that were inferred.
    assert again(case, rated(given, 8, changed=CHANGED))[1] == 0


def test_deleted_and_blank_documents_have_nothing_to_take_from(scenario):
    case = scenario()
    case.set_up()
    gone, blank = films(2)
    running = case.start()
    for values in ([gone, blank], [None, blank | {"text": " "}], [gone, blank]):
        pairs = zip((gone, blank), values, strict=True)
        case.send([(key_of(film), value if value is None else value_of(value)) for film, value in pairs])
        case.await_done(running)
    assert results(running) == {"indexed": 4, "deleted": 1, "no_text": 1}
    assert_exact(case)


def test_after_a_change_of_the_model_everything_is_inferred(scenario):
    case = scenario()
    case.set_up()
    given = films(3)
    before = tokens(indexed(case, given))
    case.elastic.stop_deployment(case.deployment)
    case.settings["deployments"][0]["model_id"] = ".elser_model_2"
    case.set_up_again()
    running, inferences = again(case, given)
    assert inferences == len(given)
    assert results(running) == {"indexed": len(given)}
    after = case.elastic.documents(case.index)
    assert all(tokens(after)[name] != before[name] for name in before)
    assert {one.source[RESERVED]["model"] for one in after.values()} == {".elser_model_2"}
    end(running)
    assert again(case, rated(given, 7))[1] == 0


def test_after_a_change_of_the_pipeline_everything_is_inferred(scenario):
    case = scenario()
    case.set_up()
    given = films(COUNT)
    indexed(case, given)
    # The same texts out of another field: other processors.
    case.elastic.remove(f"/_ingest/pipeline/{case.name}-elser")
    case.settings["routes"][0]["inference"] = [{"input": "text", "output": "other_tokens"}]
    case.elastic.ask("PUT", f"/{case.index}/_mapping", {"properties": {"other_tokens": {"type": "sparse_vector"}}})
    case.set_up_again()
    running, inferences = again(case, given)
    assert inferences == COUNT
    assert results(running) == {"indexed": COUNT}
    end(running)
    assert again(case, given)[1] == 0
    assert all(OUTPUT not in one.source for one in case.elastic.documents(case.index).values())


def test_nested_outputs_are_as_the_pipeline_wrote_them(scenario):
    fields = [{"input": "text", "output": "ml.tokens"}, {"input": "title", "output": "ml.title.tokens"}]
    case = scenario(route={"inference": fields})
    case.set_up()
    given = [film | {"ml": {"note": 1}} for film in films(COUNT)]
    running = case.start()
    case.send(records_of(given))
    case.await_done(running)
    before = case.elastic.documents(case.index)
    inferences = case.elastic.inferences(case.deployment)
    assert inferences == 2 * COUNT
    case.send(records_of(rated(given, 7)))
    case.await_done(running)
    assert case.elastic.inferences(case.deployment) == inferences
    after = case.elastic.documents(case.index)
    for name, found in after.items():
        assert found.source["ml"] == before[name].source["ml"]
        assert own(found) == own(before[name]) | {"rating": 7}
        assert found.source[RESERVED]["text_hash"] == before[name].source[RESERVED]["text_hash"]


def own(found):
    return {name: value for name, value in found.source.items() if name != RESERVED}


def test_while_the_deployment_is_gone_unchanged_texts_pass(scenario):
    case = scenario()
    case.set_up()
    given = films(COUNT)
    indexed(case, given)
    case.elastic.stop_deployment(case.deployment)
    running = case.start()
    case.send(records_of(rated(given, 7, changed=CHANGED)))
    case.await_results(running, COUNT - CHANGED)
    assert results(running) == {"unchanged": COUNT - CHANGED}
    case.set_up_again()
    case.await_done(running)
    assert results(running) == {"unchanged": COUNT - CHANGED, "indexed": CHANGED}
    assert_exact(case)


def test_it_can_be_switched_off(scenario):
    case = scenario(flow={"reuse_tokens": False})
    case.set_up()
    given = films(COUNT)
    before = tokens(indexed(case, given))
    running, inferences = again(case, rated(given, 7))
    assert inferences == COUNT
    assert running.status()["reuse_off"] == {case.name: "flow.reuse_tokens is false"}
    assert tokens(assert_exact(case)) == before


@pytest.mark.parametrize(
    ("source", "mode", "told"),
    [
        ({"excludes": [OUTPUT]}, "stored", f"the index leaves '{OUTPUT}' out of the documents' source"),
        ({}, "synthetic", "the index does not keep the documents' source as it was sent"),
    ],
)
def test_where_tokens_cannot_be_read_back_it_is_off_and_says_so(scenario, source, mode, told):
    case = scenario()
    case.set_up()
    made = case.elastic.ask("GET", f"/{case.index}-000001")[f"{case.index}-000001"]
    mappings = made["mappings"] | ({"_source": source} if source else {})
    settings = {"index.gc_deletes": "1h", "index.mapping.source.mode": mode}
    body = {"settings": settings, "mappings": mappings, "aliases": {case.index: {"is_write_index": True}}}
    case.elastic.remove(f"/{case.index}-000001")
    case.elastic.ask("PUT", f"/{case.index}-000001", body)
    given = films(3)
    indexed(case, given)
    running, inferences = again(case, rated(given, 7))
    assert inferences == len(given)
    assert running.status()["reuse_off"] == {case.name: told}
    assert running.event("tokens of unchanged texts are not used again")["reason"] == told
    assert running.metric("streamer_lookups_total") == {}
