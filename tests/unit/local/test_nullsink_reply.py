import json

import pytest

from compose.local.nullsink_reply import BadBulkError, BulkQuery, Replier, parse

BODY = b"""{"index":{"_index":"a","_id":"1","version":7,"version_type":"external"}}
{"delete":{"_index":"not an action"}}
{"delete":{"_index":"a","_id":"2"}}
{"create":{"_id":"3"}}
{}
{"update":{"_index":"a","_id":"4"}}
{"doc":{}}
"""


def reply(body=BODY, query=None, **settings):
    replier = Replier(settings.get("reject_share", 0.0), settings.get("seed", 0))
    return json.loads(replier.reply(parse(body), query or BulkQuery(index="films"), 3))


def test_every_action_has_its_item_in_its_place():
    items = reply()["items"]
    assert [next(iter(item)) for item in items] == ["index", "delete", "create", "update"]
    done = [next(iter(item.values())) for item in items]
    assert [(item["_index"], item["_id"]) for item in done] == [("a", "1"), ("a", "2"), ("films", "3"), ("a", "4")]
    assert [item["status"] for item in done] == [201, 200, 201, 200]
    assert [item["result"] for item in done] == ["created", "deleted", "created", "updated"]


def test_an_external_version_comes_back():
    assert reply()["items"][0]["index"]["_version"] == 7


def test_a_document_without_id_is_given_one():
    items = reply(b'{"index":{}}\n{}\n{"index":{}}\n{}\n')["items"]
    assert items[0]["index"]["_id"] != items[1]["index"]["_id"]


def test_ingest_took_is_there_when_a_pipeline_is_named():
    assert "ingest_took" not in reply()
    assert "ingest_took" not in reply(query=BulkQuery(pipeline="_none"))
    assert reply(query=BulkQuery(pipeline="elser"))["ingest_took"] == 3
    assert reply(b'{"index":{"pipeline":"elser"}}\n{}\n')["ingest_took"] == 3


@pytest.mark.parametrize("number", [0, 1])
def test_a_share_is_refused_and_the_same_one_for_the_same_seed(number):
    body = b'{"index":{"_id":"1"}}\n{}\n' * 1000
    first = reply(body, reject_share=0.25, seed=number)
    refused = [item["index"] for item in first["items"] if item["index"]["status"] == 429]
    assert first["errors"]
    assert 200 < len(refused) < 300
    assert refused[0]["error"] == {
        "type": "es_rejected_execution_exception",
        "reason": "inference process queue is full. Unable to execute command",
    }
    again = reply(body, reject_share=0.25, seed=number)
    assert [item["index"]["status"] for item in again["items"]] == [item["index"]["status"] for item in first["items"]]


def test_a_filter_that_leaves_items_alike_gives_the_same_as_the_long_way():
    query = BulkQuery(filter_path="errors,items.*.status,items.*.error")
    short = reply(query=query, reject_share=0.5, seed=3)
    full = reply(reject_share=0.5, seed=3)
    assert short == {
        "errors": full["errors"],
        "items": [
            {name: {key: value for key, value in item.items() if key in {"status", "error"}}}
            for one in full["items"]
            for name, item in one.items()
        ],
    }


def test_a_filter_may_leave_nothing_of_the_items():
    assert reply(query=BulkQuery(filter_path="errors")) == {"errors": False}
    assert reply(query=BulkQuery(filter_path="items.*.error")) == {}


def test_a_filter_that_keeps_ids_keeps_each_its_own():
    items = reply(query=BulkQuery(filter_path="items.*._id"))["items"]
    assert [item["_id"] for one in items for item in one.values()] == ["1", "2", "3", "4"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"index":{}}\n{}', "must be terminated by a newline"),
        (b"\n", "no requests added"),
        (b'{"foo":{}}\n{}\n', r"Malformed action/metadata line \[1\]"),
        (b'{"delete":{"_id":"1"}}\n{"index":\n{}\n', r"Malformed action/metadata line \[2\]"),
        (b'{"index":{}}\n', r"line \[1\], its document is missing"),
    ],
)
def test_a_malformed_request_is_refused_as_a_whole(body, message):
    with pytest.raises(BadBulkError, match=message):
        parse(body)
