"""What is wrong is said at the start, in words, with an exit status; nothing is begun."""

import socket

import pytest

from compose.local import ports
from tests.fixtures.films import films, records_of
from tests.fixtures.program import streamer

WRONG_INPUT, FAILED = 2, 1


@pytest.fixture
def case(scenario):
    return scenario()


@pytest.fixture
def ready(case):
    case.set_up()
    case.send(records_of(films(5)))
    return case


def assert_refused(case, status, *words, command="run"):
    """The command ends with `status` and a message that holds `words`; no member joined, nothing was indexed."""
    ended = streamer(command, config=case.config)
    assert ended.returncode == status, ended.stderr
    assert "Traceback" not in ended.stderr
    assert [word for word in words if word not in ended.stderr] == [], ended.stderr
    assert case.kafka.members(case.group) == 0
    return ended


@pytest.mark.parametrize(
    ("section", "wrong", "words"),
    [
        ("kafka", {"group_protocol": "newest"}, ["kafka.group_protocol", "'classic' or 'consumer'"]),
        ("kafka", {"bootstrap_server": "x:1"}, ["kafka.bootstrap_server:"]),
        ("flow", {"queue_delay_s": 0}, ["flow.queue_delay_s", "greater than or equal to 0.1"]),
        ("elasticsearch", {"api_key": "secret", "username": "me"}, ["elasticsearch", "choose one"]),
    ],
)
@pytest.mark.parametrize("command", ["run", "setup"])
def test_wrong_settings(case, section, wrong, words, command):
    case.settings[section] = case.settings[section] | wrong
    ended = assert_refused(case, WRONG_INPUT, "wrong settings", *words, command=command)
    assert "secret" not in ended.stderr


def test_a_settings_file_that_is_not_there(tmp_path):
    ended = streamer("run", config=tmp_path / "nowhere.toml")
    assert ended.returncode == WRONG_INPUT
    assert "nowhere.toml does not exist" in ended.stderr


def test_a_settings_file_that_is_no_toml(tmp_path):
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("[kafka\n")
    ended = streamer("run", config=wrong)
    assert ended.returncode == WRONG_INPUT, ended.stderr
    assert "Traceback" not in ended.stderr
    assert "wrong.toml" in ended.stderr


def test_no_routes(case):
    case.settings["routes"] = []
    for command in ("run", "setup"):
        assert_refused(case, WRONG_INPUT, "[[routes]]", command=command)


def test_nothing_is_set_up(case):
    case.kafka.create(case.topic, 1)
    assert_refused(case, FAILED, "state index", "run `streamer setup`")


def test_the_topic_is_missing(ready):
    ready.settings["routes"][0]["topics"] = [ready.topic, "no-such-topic"]
    assert_refused(ready, FAILED, "'no-such-topic'", "does not exist")


@pytest.mark.parametrize(
    ("path", "words"),
    [("/{0}-000001", ["alias"]), ("/_ingest/pipeline/{0}-elser", ["pipeline"]), ("/{0}-state-000001", ["state index"])],
)
def test_a_part_of_the_setup_is_missing(ready, path, words):
    ready.elastic.remove(path.format(ready.name))
    assert_refused(ready, FAILED, *words, "run `streamer setup`")
    assert ready.committed == 0


def test_a_pipeline_that_would_swallow_failures(ready):
    path = f"/_ingest/pipeline/{ready.name}-elser"
    (pipeline,) = ready.elastic.ask("GET", path).values()
    pipeline["processors"][0]["inference"]["ignore_failure"] = True
    ready.elastic.ask("PUT", path, pipeline)
    words = ["differs from the settings", "ignore_failure", "to go on"]
    assert_refused(ready, FAILED, *words)
    assert_refused(ready, FAILED, *words, command="setup")


def test_another_mapping(ready):
    ready.settings["routes"][0]["properties"] = {"year": {"type": "keyword"}}
    assert_refused(ready, FAILED, "properties.year", "nothing was changed")


def test_documents_without_their_state(ready):
    running = ready.start()
    ready.await_done(running)
    running.terminate()
    assert running.wait() == 0
    ready.elastic.remove(f"/{ready.state_index}")
    assert streamer("setup", config=ready.config).returncode == 0
    assert_refused(ready, FAILED, "5 documents of the topic", "knows no epoch")


def test_partitions_that_grew(ready):
    running = ready.start()
    ready.await_done(running)
    running.terminate()
    assert running.wait() == 0
    ready.kafka.grow(ready.topic, 6)
    assert_refused(ready, FAILED, "6 partitions and had 4")


@pytest.mark.parametrize(
    ("section", "name", "words"),
    [
        ("kafka", "bootstrap_servers", ["_TIMED_OUT", "check that kafka.bootstrap_servers is right"]),
        ("elasticsearch", "urls", ["could not be sent to http://127.0.0.1:"]),
    ],
)
def test_nobody_is_there(ready, section, name, words):
    (port,) = ports.free(1)
    address = f"127.0.0.1:{port}" if section == "kafka" else [f"http://127.0.0.1:{port}"]
    ready.settings[section] = ready.settings[section] | {name: address}
    assert_refused(ready, FAILED, *words)


def test_the_admin_port_is_taken(ready):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ready.settings["admin"] = {"port": port}
        assert_refused(ready, WRONG_INPUT, f"cannot listen on 127.0.0.1:{port}", "already in use", "another port")
