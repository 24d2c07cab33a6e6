"""The examples of docs/access.md, run as they stand there."""

import re
import subprocess
import sys
import tomllib

import pytest

from search_api import settings
from search_api.access import keys, tokens
from tests.unit.search_api.access.shops import INDICES
from tests.unit.sources import ROOT

PAGE = (ROOT / "docs" / "access.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
SIGNING_KEY = re.search(r"SEARCH_API_SIGNING_KEY=(\S+)", PAGE)[1]


def block(language, word):
    (found,) = [text for kind, text in BLOCKS if kind == language and word in text]
    return found


@pytest.mark.parametrize(
    "command",
    [[sys.executable, "-c", block("python", "hmac")], ["bash", "-c", block("sh", "openssl")]],
    ids=["python", "sh"],
)
def test_tokens_made_as_documented_are_signed(command):
    environment = {"SEARCH_API_SIGNING_KEY": SIGNING_KEY, "PATH": "/usr/bin:/bin"}
    made = subprocess.run(
        command, env=environment, check=True, capture_output=True, text=True, timeout=60
    ).stdout.strip()
    token = tokens.parse(made)
    assert tokens.is_signed(token, SIGNING_KEY.encode())
    assert (token.key, tokens.claims(token).id) == ("shop", "user-7")


def test_settings_as_documented_are_valid():
    films = [index | {"name": name, "filters": {"genres": "keyword"}} for index, name in [(INDICES[0], "films")]]
    for word in ("[[access.keys]]", "[[access.jwt]]"):
        loaded = settings.load(indices=films, **tomllib.loads(block("toml", word)))
        assert keys.load(loaded.access, loaded.indices).keys() <= {"shop"}
