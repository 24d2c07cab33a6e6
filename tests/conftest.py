"""What holds for every test."""

import os
from collections.abc import Iterator

import pytest

SETTINGS = ("STREAMER_", "SEARCH_API_", "LOCAL_")

# What tests on the local stack share; nothing starts before a test asks for it.
pytest_plugins = ("tests.fixtures.stack", "tests.fixtures.scenario")


@pytest.fixture(scope="session", autouse=True)
def clean_environment() -> Iterator[None]:
    """Keep settings of the shell that starts the tests away from them, and from the processes that they start."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(SETTINGS)]:
            patch.delenv(name)
        yield


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kills", type=int, default=3, help="how many streams are killed at a random moment")
    parser.addoption(
        "--scenario-seconds", type=float, help="play scenarios so long instead of what they say, such as 1200"
    )
    parser.addoption("--waiting-records", type=int, default=200_000, help="how many records wait behind a closed gate")
    parser.addoption("--seed", type=int, default=1, help="seed of the first of these moments; the next has the next")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "kill_seed" in metafunc.fixturenames:
        first = metafunc.config.getoption("seed")
        metafunc.parametrize("kill_seed", range(first, first + metafunc.config.getoption("kills")))
