"""Settings: read from a file and the environment, refused with a reason."""

import pytest

from search_api import settings
from search_api.__main__ import main
from streamer.errors import SettingsError
from tests.unit.search_api.fakes import INDEX

FILE = """
[elasticsearch]
urls = ["http://127.0.0.1:39200"]

[[indices]]
name = "films"
alias = "films"
inference_endpoint = ".elser-2-elasticsearch"
lexical_fields = { title = 1, text = 1 }
filters = { genres = "keyword", year = "number" }
"""


@pytest.fixture
def file(tmp_path, monkeypatch):
    path = tmp_path / "search_api.toml"
    path.write_text(FILE)
    monkeypatch.setenv("SEARCH_API_CONFIG", str(path))
    return path


def refusal(**arguments):
    with pytest.raises(SettingsError) as caught:
        settings.load(**{"indices": [INDEX], **arguments})
    return str(caught.value)


def test_a_file_and_the_environment_above_it(file, monkeypatch):
    monkeypatch.setenv("SEARCH_API_LISTEN__PORT", "1234")
    found = settings.load()
    assert found.elasticsearch.urls == ["http://127.0.0.1:39200"]
    assert found.listen.port == 1234
    assert [(name, one.kind) for name, one in found.indices[0].filters.items()] == [
        ("genres", "keyword"),
        ("year", "number"),
    ]


def test_a_file_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("SEARCH_API_CONFIG", str(tmp_path / "none.toml"))
    with pytest.raises(SettingsError, match=r"none\.toml does not exist: set SEARCH_API_CONFIG"):
        settings.load()


def test_at_least_one_index_is_needed():
    with pytest.raises(SettingsError, match="indices"):
        settings.load()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "search.example", ""])  # noqa: S104 - refused
def test_other_machines_are_not_served_without_keys(host):
    message = refusal(listen={"host": host, "port": 1})
    assert "can be reached from other machines" in message
    assert "set listen.host to 127.0.0.1" in message


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_is_served(host):
    assert settings.load(indices=[INDEX], listen={"host": host, "port": 1}).listen.host == host


@pytest.mark.parametrize(
    "change",
    [
        {"filters": {"_streamer.offset": "number"}},
        {"filters": {"offset": {"kind": "number", "field": "_streamer.offset"}}},
        {"semantic_field": "ml.tokens", "filters": {"ml.model_id": "keyword"}},
        {"result_fields": ["text_embedding"]},
        {"lexical_fields": {"model_id": 1}},
        {"hidden_fields": ["secret"], "filters": {"secret.name": "keyword"}},
    ],
)
def test_hidden_fields_are_neither_shown_nor_filtered_nor_searched(change):
    assert "hidden fields" in refusal(indices=[{**INDEX, **change}])


@pytest.mark.parametrize(
    "change",
    [
        {"alias": "a,b"},
        {"alias": "films/_search"},
        {"inference_endpoint": "../x"},
        {"lexical_fields": {"*": 1}},
        {"lexical_fields": {}},
        {"semantic_boost": 0},
        {"unknown": 1},
    ],
)
def test_what_could_reach_elsewhere_is_refused(change):
    assert "indices" in refusal(indices=[{**INDEX, **change}])


def test_names_differ():
    assert "same name" in refusal(indices=[INDEX, INDEX])


def test_the_command_says_what_is_wrong(file, capsys):
    file.write_text(f'{FILE}\n[listen]\nhost = "0.0.0.0"\n')
    with pytest.raises(SystemExit) as caught:
        main([])
    assert "can be reached from other machines" in str(caught.value.code)
