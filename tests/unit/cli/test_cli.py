"""The command line as a person meets it: help, messages, exit codes, and nothing imported for nothing."""

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from streamer import __version__, cli
from streamer.errors import KafkaUnavailable

HEAVY = ("confluent_kafka", "elasticsearch", "pydantic", "faust", "aiohttp", "uvloop")


def streamer(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "streamer", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={"PATH": "", "COLUMNS": "200"} | environment,
    )


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "streamer.toml"
    path.write_text('[kafka]\ngroup_id = "indexer"\n[elasticsearch]\nusername = "u"\npassword = "geheim"\n')
    return path


COMMANDS = ["setup", "load", "run", "repartition", "status", "dlq", "ops", "config"]
OF_DLQ = ["list", "show", "redrive", "discard"]


def test_help_lists_the_commands():
    done = CliRunner().invoke(cli.app, ["--help"])
    assert done.exit_code == 0
    assert [command for command in COMMANDS if command not in done.stdout] == []


@pytest.mark.parametrize("command", [*sorted({*COMMANDS} - {"dlq"}), *(f"dlq {command}" for command in OF_DLQ)])
def test_each_command_has_help_and_takes_a_settings_file(command):
    done = CliRunner().invoke(cli.app, [*command.split(), "--help"], env={"COLUMNS": "200"}, color=False)
    assert done.exit_code == 0
    assert "STREAMER_CONFIG" in done.stdout


def test_the_command_line_imports_no_client():
    code = f"import sys, streamer.cli; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"


def test_version():
    done = CliRunner().invoke(cli.app, ["--version"])
    assert (done.exit_code, done.stdout) == (0, f"{__version__}\n")


@pytest.mark.parametrize("before", [True, False])
def test_settings_file_before_and_after_the_command(config, before):
    arguments = ["--config", str(config), "config"] if before else ["config", "--config", str(config)]
    done = streamer(*arguments, "--json")
    assert json.loads(done.stdout)["kafka"]["group_id"] == "indexer"


def test_secrets_are_not_printed(config):
    done = streamer("config", STREAMER_CONFIG=str(config))
    assert 'elasticsearch.password = "**********"' in done.stdout
    assert "geheim" not in done.stdout + done.stderr


def test_defaults_are_a_table():
    done = streamer("config", "--defaults")
    assert done.stdout.startswith("| Setting | Values | Default | Meaning |\n")
    assert {row["name"] for row in json.loads(streamer("config", "--defaults", "--json").stdout)} >= {"kafka.group_id"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["config", "--config", "nope.toml"], "streamer: the settings file nope.toml does not exist"),
        (["setup"], "streamer: no [[routes]] in the settings"),
        (["load", "nope.csv", "--topic", "t"], "streamer: cannot read nope.csv: No such file or directory"),
        (["load", "nope", "--topic", "t"], "streamer: cannot tell the format of nope from its name"),
        (["load", "a.csv", "--topic", "t", "--rate", "fast"], "streamer: the rate 'fast' is not a number"),
        (["dlq", "redrive"], "streamer: which dead letters? Name a filter"),
        (["dlq", "discard", "--all", "--route", "films"], "streamer: --all and a filter contradict each other"),
        (["dlq", "list", "--since", "soon"], "streamer: the time 'soon' is neither an ISO time nor an age"),
        (["dlq", "show", "films"], "streamer: 'films' is no place such as streamer-dead-letters-0@17"),
        (["dlq", "redrive", "--all", "--rate", "fast"], "streamer: the rate 'fast' is not a number"),
        (["ops", "--windows", "x"], "streamer: the windows 'x' are not whole seconds"),
    ],
)
def test_wrong_input_is_one_message_and_status_2(arguments, message):
    done = streamer(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(message)
    assert "Traceback" not in done.stderr


def test_wrong_settings_are_named_without_their_values():
    done = streamer("config", STREAMER_KAFKA__PREFETCH_KBYTES="geheim", STREAMER_KAFKA__NOPE="x")
    assert done.returncode == 2
    assert "kafka.prefetch_kbytes" in done.stderr
    assert "kafka.nope" in done.stderr
    assert "geheim" not in done.stderr


def test_what_fails_is_one_message_and_status_1(monkeypatch, capsys):
    monkeypatch.setattr(cli, "read_settings", fail)
    monkeypatch.setattr(sys, "argv", ["streamer", "status"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    assert capsys.readouterr().err == "streamer: no Kafka broker answered in time\n"


def fail(config):
    raise KafkaUnavailable


def test_an_unknown_option_is_status_2():
    done = CliRunner().invoke(cli.app, ["run", "--nope"])
    assert done.exit_code == 2
    assert "No such option" in done.stderr
