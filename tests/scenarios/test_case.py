"""The format of a scenario file: what it does not know, or what makes no sense, is refused with its place."""

import pytest

from tests.scenarios.__main__ import main
from tests.scenarios.case import CaseError, load

LEAST = "why: a file that is long enough to be one\nexpect: {lost: [0, 0]}\n"


def written(tmp_path, text):
    path = tmp_path / "case.yaml"
    path.write_text(text, "utf-8")
    return path


def test_the_least_file(tmp_path):
    case = load(written(tmp_path, LEAST))
    assert (case.server.nodes, case.server.allocations, case.seconds, case.arrivals) == (1, 8, 300, "backlog")


@pytest.mark.parametrize(
    ("more", "place", "allowed"),
    [
        ("sever: {}", "sever", "server"),
        ("server: {nods: 2}", "server.nods", "allocations"),
        ("server: {adaptive: {min: 1}}", "server.adaptive.min", "least"),
        ("events: [{at: 1, allocation: 2}]", "events.0.allocation", "allocations"),
        ("documents: [{mixed: [{part: 1, tokens: 3, share: 1}]}]", "documents.0.mixed.0.part", "share"),
        ("clients: [{name: x}]", "clients.0.name", "killed"),
        ("stranger: {from: 3}", "stranger.from", "start"),
    ],
)
def test_what_is_unknown_is_refused_with_what_is_allowed(tmp_path, more, place, allowed):
    with pytest.raises(CaseError) as caught:
        load(written(tmp_path, LEAST + more))
    (line,) = [line for line in str(caught.value).splitlines() if f"  {place}: unknown; allowed here: " in line]
    assert allowed in line.partition("allowed here: ")[2].split(", ")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("events: [{at: 1}]", "exactly one thing"),
        ("events: [{at: 1, nodes: 2, lose: 1}]", "exactly one thing"),
        ("events: [{at: 1, stats: loud}]", "denied"),
        ("documents: [{tokens: 513}]", "512"),
        ("documents: [{tokens: 5, mixed: []}]", "one of tokens, lognormal, mixed"),
        ("arrivals: {}", "one of rate, load"),
        ("seconds: 0", "greater than 0"),
        ("why: [", "no YAML"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path, more, said):
    with pytest.raises(CaseError, match=said):
        load(written(tmp_path, LEAST + more))


def test_a_wrong_file_ends_the_command_with_its_place(tmp_path, capsys):
    written(tmp_path, LEAST + "sever: {}")
    assert main([str(tmp_path)]) == 2
    assert "case.yaml" in capsys.readouterr().err
    assert main([str(tmp_path / "nothing")]) == 2


@pytest.mark.parametrize(("expected", "status"), [("[0, 0]", 0), ("[1, null]", 1)])
def test_the_command_fails_with_a_scenario(tmp_path, capsys, expected, status):
    text = LEAST.replace("[0, 0]", expected) + "seconds: 10\nserver: {allocations: 2}\ndocuments: [{tokens: 8}]\n"
    written(tmp_path, text)
    assert main([str(tmp_path), "--jobs", "1"]) == status
    said = capsys.readouterr().out
    assert f"{1 - status} of 1 scenarios as expected" in said
    assert ("lost: 0 is not in [1, -]" in said) == bool(status)
