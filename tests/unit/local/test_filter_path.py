import pytest

from compose.local.filter_path import FilterPath

ANSWER = {
    "took": 1,
    "errors": True,
    "items": [
        {"index": {"_id": "1", "status": 201, "_shards": {"total": 1}}},
        {"delete": {"_id": "2", "status": 429, "error": {"type": "t", "reason": "r"}}},
    ],
}


@pytest.mark.parametrize(
    ("parameter", "expected"),
    [
        ("", ANSWER),
        ("took,errors", {"took": 1, "errors": True}),
        ("items.*.status", {"items": [{"index": {"status": 201}}, {"delete": {"status": 429}}]}),
        ("items.*.error", {"items": [{"delete": {"error": {"type": "t", "reason": "r"}}}]}),
        ("items.*.error.type", {"items": [{"delete": {"error": {"type": "t"}}}]}),
        ("items.index.st*", {"items": [{"index": {"status": 201}}]}),
        ("**.reason", {"items": [{"delete": {"error": {"reason": "r"}}}]}),
        ("items.**.type", {"items": [{"delete": {"error": {"type": "t"}}}]}),
        ("nothing", {}),
        ("items.*._id,-items.delete", {"items": [{"index": {"_id": "1"}}, {}]}),
        ("-items", {"took": 1, "errors": True}),
    ],
)
def test_filter_path(parameter, expected):
    assert FilterPath(parameter).apply(ANSWER) == expected
