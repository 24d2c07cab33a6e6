import pytest

from streamer.setup.difference import NOTHING, differences, line, milliseconds, size


def test_equal_things_do_not_differ():
    body = {"a": [1, {"b": True}], "c": "x"}
    assert differences(body, body, "top") == []


def test_text_equals_the_number_or_boolean_that_it_spells():
    assert differences({"a": True, "n": 3}, {"a": "true", "n": "3"}, "top") == []


def test_each_path_is_named():
    expected = {"a": {"b": 1}, "list": [1, 2], "gone": 1}
    found = {"a": {"b": 2}, "list": [1], "extra": None}
    assert differences(expected, found, "top") == [
        "top.a.b: expected 1, found 2",
        "top.list[1]: expected 2, found nothing",
        "top.gone: expected 1, found nothing",
        "top.extra: expected nothing, found null",
    ]


def test_a_longer_list_differs():
    assert differences([1], [1, {"x": 1}], "top") == ['top[1]: expected nothing, found {"x":1}']


def test_nothing_is_shown_as_a_word():
    assert line("p", NOTHING, "x") == 'p: expected nothing, found "x"'


@pytest.mark.parametrize(("text", "value"), [("1h", 3_600_000), ("60s", 60_000), ("1.5m", 90_000), ("250ms", 250)])
def test_times(text, value):
    assert milliseconds(text) == value


@pytest.mark.parametrize(("text", "value"), [("0b", 0), ("1kb", 1024), ("262mb", 262 << 20), ("1GB", 1 << 30)])
def test_sizes(text, value):
    assert size(text) == value


@pytest.mark.parametrize("text", ["", "1", "h", "1 week", None])
def test_what_is_no_amount_is_refused(text):
    with pytest.raises(ValueError, match="is not a number with one of"):
        milliseconds(text)
