import gzip
import io
from pathlib import Path

import pytest

from streamer.errors import InputError
from streamer.tools.rows import Broken, Layout, Row, layout_of, read_rows

BOM = b"\xef\xbb\xbf"


def rows(content, form, *columns):
    return list(read_rows(io.BytesIO(content), Layout(form, columns)))


def fields(found):
    return [row.fields for row in found]


def test_csv_rows_become_objects_of_texts():
    assert rows(b"id,title\n1,Smile\n2,\n", "csv") == [
        Row(2, {"id": "1", "title": "Smile"}, b'{"id":"1","title":"Smile"}'),
        Row(3, {"id": "2", "title": ""}, b'{"id":"2","title":""}'),
    ]


def test_quotes_commas_and_line_ends_inside_a_field():
    content = b'id,text\r\n1,"a ""quoted"", long\r\ntext"\r\n2,b\r\n'
    found = rows(content, "csv")
    assert [row.line for row in found] == [2, 4]
    assert fields(found) == [{"id": "1", "text": 'a "quoted", long\r\ntext'}, {"id": "2", "text": "b"}]


def test_tsv_knows_no_quotes():
    found = rows(b'1\tHe said "no\n2\t"yes"\n', "tsv", "id", "content")
    assert fields(found) == [{"id": "1", "content": 'He said "no'}, {"id": "2", "content": '"yes"'}]


def test_tsv_with_a_header_line():
    assert fields(rows(b"id\tcontent\n1\ta\n", "tsv")) == [{"id": "1", "content": "a"}]


def test_jsonl_goes_on_as_it_is():
    content = b'{"id": 1, "score": 1.00, "big": 123456789012345678901234567890}\n\n  {"id":2}  \n'
    found = rows(content, "jsonl")
    assert [(row.line, row.value) for row in found] == [(1, content.splitlines()[0]), (3, b'{"id":2}')]


@pytest.mark.parametrize(("form", "content"), [("csv", b"id\n1\n"), ("tsv", b"id\n1\n"), ("jsonl", b'{"id":"1"}\n')])
def test_gzip_and_byte_order_mark_are_seen_by_content(form, content):
    for packed in (content, BOM + content, gzip.compress(content), gzip.compress(BOM + content)):
        assert fields(rows(packed, form)) == [{"id": "1"}]


def test_gzip_of_several_parts_is_read_whole():
    assert len(rows(gzip.compress(b"id\n1\n") + gzip.compress(b"2\n"), "csv")) == 2


def test_a_cut_gzip_is_refused():
    packed = gzip.compress(b"id\n" + b"".join(b"%d\n" % n for n in range(10_000)))
    for content in (packed[:-4], packed[:100], packed[:-8] + b"\0" * 8):
        with pytest.raises(InputError, match="cut off or damaged"):
            rows(content, "csv")


def test_broken_rows_have_their_line_and_the_rest_goes_on():
    found = rows(b'id,text\n1,a\n2\n3,a,b\n\n4,"x"y\n5,\xff\n6,ok\n', "csv")
    assert [row for row in found if isinstance(row, Broken)] == [
        Broken(3, "1 fields, expected 2 (id, text)"),
        Broken(4, "3 fields, expected 2 (id, text)"),
        Broken(6, "',' expected after '\"'"),
        Broken(7, "not valid UTF-8"),
    ]
    assert fields(row for row in found if isinstance(row, Row)) == [
        {"id": "1", "text": "a"},
        {"id": "6", "text": "ok"},
    ]


def test_an_open_quote_is_a_broken_row():
    assert rows(b'id\n"1\n2\n', "csv") == [Broken(2, "unexpected end of data")]


def test_broken_json_has_its_line():
    found = rows(b'{"id":1}\n{"id":\n[1]\n"x"\n\xff\n', "jsonl")
    assert [row.line for row in found if isinstance(row, Broken)] == [2, 3, 4, 5]
    assert [row.why for row in found[2:4]] == ["not a JSON object"] * 2


@pytest.mark.parametrize("content", [b"", b"\n\n", BOM])
@pytest.mark.parametrize("form", ["csv", "tsv", "jsonl"])
def test_an_empty_file_has_no_rows(form, content):
    assert rows(content, form) == []


@pytest.mark.parametrize("header", [b"id,id\n", b"id,\n"])
def test_a_header_with_an_empty_or_repeated_name_is_refused(header):
    with pytest.raises(InputError, match="line 1: the header"):
        rows(header + b"1,2\n", "csv")


def test_a_header_that_cannot_be_read_is_refused():
    with pytest.raises(InputError, match="line 1: the header cannot be read"):
        rows(b'"id"x,text\n', "csv")


@pytest.mark.parametrize(
    ("name", "form"),
    [("a.csv", "csv"), ("a.tsv.gz", "tsv"), ("a.jsonl", "jsonl"), ("a.b.ndjson.gz", "jsonl"), ("A.CSV", "csv")],
)
def test_format_by_name(name, form):
    assert layout_of(Path(name), None, None) == Layout(form)


def test_format_and_columns_as_given():
    assert layout_of(Path("x"), "tsv", "id, content") == Layout("tsv", ("id", "content"))


@pytest.mark.parametrize(
    ("name", "form", "columns", "message"),
    [
        ("a.txt", None, None, "cannot tell the format of a.txt"),
        ("a", "xml", None, "--format xml is not csv, tsv or jsonl"),
        ("a.csv", None, "id,,x", "--columns id,,x has an empty or repeated name"),
        ("a.csv", None, "id,id", "has an empty or repeated name"),
        ("a.jsonl", None, "id", "--columns is for csv and tsv"),
    ],
)
def test_wrong_layouts_are_refused(name, form, columns, message):
    with pytest.raises(InputError, match=message):
        layout_of(Path(name), form, columns)
