"""Keys: made, kept as hashes, and refused with a reason when they do not fit."""

import json
import tomllib

import pytest

from search_api import settings
from search_api.__main__ import main
from search_api.access import keys, tokens
from search_api.access.admission import Admission
from streamer.errors import SettingsError
from tests.unit.search_api.access.shops import INDICES, SECRETS, SIGNING_KEY, row
from tests.unit.search_api.fakes import FakeClock


def load(*rows, **access):
    loaded = settings.load(indices=INDICES, access={"keys": list(rows), **access})
    Admission(loaded, FakeClock())
    return loaded


def refusal(*rows, **access):
    with pytest.raises(SettingsError) as caught:
        load(*rows, **access)
    return str(caught.value)


def test_keys_that_do_not_fit_are_told():
    assert "two keys are called 'shop'" in refusal(row(), row())
    assert "no index is called books; there are goods, parts" in refusal(row(indices=["books"]))
    wrong = refusal(row(filters=[{"field": "owner", "any_of": ["a"]}]))
    assert "'shop': filters do not fit index 'goods': 'owner' is not a field to filter on" in wrong
    assert "give one of any_of" in refusal(row(filters=[{"field": "tenant"}]))
    assert "access.keys.0.hash" in refusal(row() | {"hash": SECRETS["shop"]})
    assert "access.keys.0.name" in refusal(row() | {"name": "a.b"})
    assert "signing_key" in refusal(row(signing_key="short"))
    assert "expires" in refusal(row(expires="2027-01-01T00:00:00"))


def test_secrets_are_in_no_message_and_no_dump():
    loaded = load(row(signing_key=SIGNING_KEY))
    assert SIGNING_KEY not in f"{loaded!r}{loaded.model_dump_json()}"
    assert SECRETS["shop"] not in refusal(row() | {"hash": SECRETS["shop"]})


def test_keys_come_from_a_file_too(tmp_path):
    file = tmp_path / "keys.toml"
    file.write_text(f'[[keys]]\nname = "other"\nhash = "{keys.hash_of("x")}"\nexpires = 2027-01-01T00:00:00Z\n')
    loaded = load(row(), keys_file=file)
    assert keys.load(loaded.access, loaded.indices).keys() == {"shop", "other"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "keys: Field required"),
        ("keys = []", "keys"),
        ("[[keys]", "is not TOML"),
        ("[[keys]]\nsecret = 1", "secret"),
    ],
)
def test_a_file_that_is_wrong_is_told(tmp_path, content, message):
    file = tmp_path / "keys.toml"
    file.write_text(content)
    assert message in refusal(keys_file=file)
    assert "cannot be read: No such file" in refusal(keys_file=tmp_path / "none")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "search.example"])  # noqa: S104 - what keys allow
def test_with_keys_other_machines_are_served(host):
    listen = {"host": host, "port": 1}
    assert settings.load(indices=INDICES, listen=listen, access={"keys": [row()]}).listen.host == host
    with pytest.raises(SettingsError, match="make one with `search-api keys new`"):
        settings.load(indices=INDICES, listen=listen)


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main(["keys", *arguments])
    assert ended.value.code in {0, None}, ended.value.code
    return capsys.readouterr()


def test_the_command_makes_a_key_that_the_settings_take(capsys):
    told = run(
        capsys, "new", "shop", "--scope", "search", "--scope", "admin", "--index", "goods", "--days", "30", "--derives"
    )
    (made,) = tomllib.loads(told.out)["access"]["keys"]
    secret = told.err.rpartition(".")[2].strip()
    assert told.err.split()[-1] == keys.text_of("shop", secret)
    assert secret not in told.out
    loaded = load(made)
    key = keys.load(loaded.access, loaded.indices)["shop"]
    assert keys.is_of(key, secret)
    assert not keys.is_of(key, secret[:-1])
    assert key.principal.scopes == {"search", "admin"}
    assert key.principal.indices == {"goods"}
    assert key.signing_key == made["signing_key"].encode()


def test_the_command_prints_json(capsys):
    made = json.loads(run(capsys, "new", "shop", "--json").out)
    assert keys.hash_of(made["key"].rpartition(".")[2]) == made["hash"]


def test_no_two_keys_are_the_same(capsys):
    assert len({run(capsys, "new", "shop").out for _ in range(3)}) == 3


def test_the_command_derives_a_token(capsys, monkeypatch):
    monkeypatch.setenv("SEARCH_API_SIGNING_KEY", SIGNING_KEY)
    filters = '[{"field": "tenant", "any_of": ["a"]}]'
    text = run(capsys, "token", "shop", "--filters", filters, "--index", "goods", "--id", "user-7").out.strip()
    token = tokens.parse(text)
    assert tokens.is_signed(token, SIGNING_KEY.encode())
    said = tokens.claims(token)
    assert (said.id, said.indices, said.filters[0].any_of) == ("user-7", ["goods"], ["a"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["new", "a.b"], "no name of a key"),
        (["new", "a", "--scope", "all"], "--scope"),
        (["token", "a", "--filters", "["], "not JSON"),
        (["token", "a", "--filters", '[{"field": "tenant"}]'], "give one of any_of"),
    ],
)
def test_the_command_says_what_is_wrong(monkeypatch, arguments, message):
    monkeypatch.setenv("SEARCH_API_SIGNING_KEY", SIGNING_KEY)
    with pytest.raises(SystemExit) as caught:
        main(["keys", *arguments])
    assert message in str(caught.value.code)


def test_a_signing_key_must_be_long(monkeypatch):
    monkeypatch.setenv("SEARCH_API_SIGNING_KEY", "short")
    with pytest.raises(SystemExit) as caught:
        main(["keys", "token", "shop"])
    assert "at least 32 characters" in str(caught.value.code)
