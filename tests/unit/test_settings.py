"""Settings of the streamer: wrong ones are told before anything starts, and no secret is."""

import pytest

from streamer.errors import SettingsError
from streamer.settings import CONFIG_VARIABLE, load

SECRET = "s3cr3t-value"  # noqa: S105 - made for this test
DEPLOYMENT = {"id": "ingest"}
ROUTE = {
    "name": "films",
    "topics": ["films"],
    "index": "films",
    "inference": [{"input": "text", "output": "tokens"}],
    "deployment": "ingest",
}


def settings(**sections):
    return load(**({"deployments": [DEPLOYMENT], "routes": [ROUTE]} | sections))


def route(**changes):
    return {"routes": [ROUTE | changes]}


def test_what_is_right_is_taken():
    found = settings()
    assert found.routes[0].pipeline_name == "films-elser"
    assert found.deployment(found.routes[0]).model_id == ".elser_model_2"


@pytest.mark.parametrize(
    ("sections", "told"),
    [
        ({"unknown": 1}, "unknown"),
        ({"kafka": {"grup_id": "x"}}, "kafka.grup_id"),
        ({"kafka": {"security_protocol": "SASL_SSL"}}, "needs sasl_mechanism"),
        ({"kafka": {"sasl_username": "x"}}, "security_protocol is not"),
        ({"kafka": {"max_poll_interval_ms": 10}}, "kafka.max_poll_interval_ms"),
        ({"elasticsearch": {"username": "x"}}, "belong together"),
        ({"elasticsearch": {"urls": []}}, "elasticsearch.urls"),
        ({"elasticsearch": {"urls": ["http://es.test:9200"], "api_key": SECRET}}, "clear text to es.test"),
        (
            {"elasticsearch": {"urls": ["https://es.test"], "api_key": SECRET, "username": "x", "password": SECRET}},
            "choose one",
        ),
        ({"deployments": []}, "which [[deployments]] lacks"),
        ({"deployments": [{"id": "Not A Name"}]}, "deployments.0.id"),
        ({"routes": [ROUTE, ROUTE]}, "the same name"),
        ({"routes": [ROUTE, ROUTE | {"name": "other"}]}, "could collide"),
        ({"routes": [ROUTE | {"id_prefix": "a"}, ROUTE | {"name": "other", "id_prefix": "ab"}]}, "could collide"),
        (route(topics=[]), "routes.0.topics"),
        (route(id_from="header:x"), "id_from can be"),
        (route(id_from="envelope:x", format="debezium"), "id_from can be"),
        (route(id_from="field:"), "routes.0.id_from"),
        (route(format="avro"), "routes.0.format"),
        (route(version_from="envelope:source.lsn"), "needs format = debezium"),
        (route(version_from="key"), "version_from can be"),
        (route(refresh_interval="soon"), "routes.0.refresh_interval"),
        ({"topics": {"redrive": "streamer-backlog"}}, "two of the streamer's own topics have the same name"),
        (route(topics=["films", "streamer-redrive"]), "names 'streamer-redrive', which the streamer itself fills"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(sections, told):
    with pytest.raises(SettingsError) as error:
        settings(**sections)
    assert told in str(error.value)
    assert SECRET not in str(error.value)


@pytest.mark.parametrize(
    "inference",
    [
        [{"input": "text", "output": "text"}],
        [{"input": "text", "output": "text.tokens"}],
        [{"input": "a", "output": "x"}, {"input": "b", "output": "x"}],
        [{"input": "a", "output": "x"}, {"input": "b", "output": "x.y"}],
        [{"input": "text", "output": "_streamer"}],
        [{"input": "text", "output": "_streamer.tokens"}],
        [{"input": "model_id", "output": "tokens"}],
        [{"input": "ml.is_truncated", "output": "ml.tokens"}],
    ],
)
def test_an_output_overwrites_nothing(inference):
    with pytest.raises(SettingsError, match="would overwrite"):
        settings(**route(inference=inference))


def test_routes_into_one_index_with_prefixes_are_apart():
    two = [ROUTE | {"id_prefix": "a-"}, ROUTE | {"name": "other", "id_prefix": "b-"}]
    assert len(settings(routes=two).routes) == 2


def test_loopback_may_have_credentials_in_clear_text():
    assert settings(elasticsearch={"urls": ["http://[::1]:9200"], "api_key": SECRET})


def test_a_secret_is_not_shown():
    found = settings(elasticsearch={"urls": ["https://es.test"], "api_key": SECRET})
    assert SECRET not in repr(found)


def test_the_environment_wins_over_the_file(tmp_path, monkeypatch):
    file = tmp_path / "streamer.toml"
    file.write_text('[kafka]\ngroup_id = "file"\nclient_id = "file"\n')
    monkeypatch.setenv(CONFIG_VARIABLE, str(file))
    monkeypatch.setenv("STREAMER_KAFKA__GROUP_ID", "environment")
    assert (load().kafka.group_id, load().kafka.client_id) == ("environment", "file")


def test_a_file_that_is_not_there_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv(CONFIG_VARIABLE, str(tmp_path / "nowhere.toml"))
    with pytest.raises(SettingsError, match=r"nowhere\.toml does not exist"):
        load()
