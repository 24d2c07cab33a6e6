"""One fault has one fingerprint, whatever the records are called and wherever they stand."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.delivery.fingerprint import fingerprint, normalised

PARSING = (
    "[{}:{}] failed to parse field [year] of type [integer] in document with id '{}'. Preview of field's value: '{}'"
)
ids = st.text()
numbers = st.integers(0, 10**9)


def of(detail, *, route="films", stage="delivery", reason="document_parsing_exception"):
    return fingerprint(route, stage, reason, detail)


@given(st.text(), st.text(), st.text(), st.text())
def test_it_is_16_hexadecimal_digits_for_any_text(route, stage, reason, detail):
    assert re.fullmatch("[0-9a-f]{16}", fingerprint(route, stage, reason, detail))


@given(numbers, numbers, ids, ids)
def test_a_refused_value_has_one_fingerprint_in_all_documents(line, column, document_id, value):
    assert of(PARSING.format(line, column, document_id, value)) == of(PARSING.format(1, 7, "a", "b"))


@pytest.mark.parametrize(
    "template",
    [
        "the value is not JSON: unexpected end of data: line {0} column {1} (char {0})",
        "Limit of total fields [{0}] has been exceeded while adding new fields [{1}]",
        "shard {0} of {1}ms",
    ],
)
@given(numbers, numbers)
def test_numbers_and_positions_do_not_count(template, one, other):
    assert of(template.format(one, other)) == of(template.format(1, 2))


@pytest.mark.parametrize("quotes", ["''", '""', "``", "[]"])
@given(st.from_regex(r"[A-Za-z_][\w .:/-]*", fullmatch=True))
def test_names_in_quotes_or_brackets_do_not_count(quotes, name):
    def template(text):
        return f"the record was taken by {quotes[0]}{text}{quotes[1]}, which is unknown"

    assert of(template(name)) == of(template("x"))


def test_an_apostrophe_in_a_word_opens_nothing():
    assert normalised("the field's value 'a' isn't one of 'b'") == "the field's value _ isn't one of _"


def test_different_faults_have_different_fingerprints():
    known = {
        of("failed to parse field [year] of type [integer]"),
        of("failed to parse field [date] of type [integer]"),
        of("failed to parse field [year] of type [date]"),
        of("mapping set to strict"),
        of("mapping set to strict", route="books"),
        of("mapping set to strict", stage="intake"),
        of("mapping set to strict", reason="strict_dynamic_mapping_exception"),
    }
    assert len(known) == 7
