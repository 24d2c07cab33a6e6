"""Bursts of updates cost few inferences, and the index is the same as if all were inferred."""

import pytest

from tests.fixtures.bursts import bursts, play

KEYS = 30
MOST = 0.4
"""Inferences for each record, at most."""


@pytest.fixture
def played(scenario):
    def played(*, reuse, at_once):
        case = scenario(flow={"reuse_tokens": reuse})
        case.set_up(partitions=2)
        return play(case, bursts(KEYS), at_once=at_once)

    return played


def test_few_are_inferred_and_the_result_is_that_of_inferring_all(played):
    both = played(reuse=True, at_once=True)
    reuse_only = played(reuse=True, at_once=False)
    neither = played(reuse=False, at_once=False)
    assert neither.inferences == neither.records == 10 * KEYS
    assert max(both.share, reuse_only.share) <= MOST
    assert reuse_only.results["unchanged"] + reuse_only.inferences == reuse_only.records
    assert {name: content for name, (_, content) in both.documents.items()} == {
        name: content for name, (_, content) in neither.documents.items()
    }
    # The rounds come in the same order, so positions and with them versions are the same.
    assert reuse_only.documents == neither.documents
