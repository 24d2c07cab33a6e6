import asyncio
import gzip

import pytest

from streamer.errors import InputError, KafkaError
from streamer.model import Partition, Record
from streamer.tools import load
from streamer.tools.load import Acknowledgements, Load, Report, is_complete, keyed, survey
from streamer.tools.rows import Broken, Layout, Row


def wanted(path, **given):
    return Load(**({"file": path, "topic": "films", "layout": Layout("jsonl")} | given))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "films.jsonl"
    path.write_bytes(b'{"id":"1"}\n{"id":2}\n{"id":"3"}\n')
    return path


def record(digest, row, total):
    headers = ((load.DIGEST, digest), (load.ROW, row), (load.TOTAL, total))
    return Record(Partition("films", 0), 1, 0, None, b"{}", headers)


def test_the_file_is_counted_before_anything_is_sent(file):
    plan = survey(wanted(file))
    assert (plan.rows, plan.size, plan.broken) == (3, file.stat().st_size, [])


def test_digest_is_of_the_content_and_of_how_it_is_read(file, tmp_path):
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(file.read_bytes())
    digest = survey(wanted(file)).digest
    assert survey(wanted(copy, topic="other", rate=5.0)).digest == digest
    packed = tmp_path / "packed"
    packed.write_bytes(gzip.compress(file.read_bytes()))
    others = {
        survey(wanted(packed)).digest,
        survey(wanted(file, key="id")).digest,
        survey(wanted(file, limit=2)).digest,
    }
    assert len(others | {digest}) == 4


def test_limit_counts_the_first_rows(file):
    assert survey(wanted(file, limit=2)).rows == 2
    assert survey(wanted(file, limit=9)).rows == 3


def test_broken_rows_stop_the_load_before_it_begins(tmp_path):
    path = tmp_path / "films.jsonl"
    path.write_bytes(b'{"id":1}\n' + b"x\n" * 7)
    with pytest.raises(InputError, match=r"(?s)7 broken rows, nothing was loaded.*line 2: not JSON.*and 2 more"):
        survey(wanted(path))


def test_broken_rows_can_be_left_out(tmp_path):
    path = tmp_path / "films.jsonl"
    path.write_bytes(b'{"id":1}\nx\n{"id":2}\n')
    plan = survey(wanted(path, skip_broken=True))
    assert (plan.rows, [row.line for row in plan.broken]) == (2, [2])


@pytest.mark.parametrize("content", [b"", b"x\n"])
def test_a_file_without_rows_is_refused(tmp_path, content):
    path = tmp_path / "films.jsonl"
    path.write_bytes(content)
    with pytest.raises(InputError, match="holds no rows"):
        survey(wanted(path, skip_broken=True))


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"cannot read .*nope: No such file"):
        survey(wanted(tmp_path / "nope"))
    with pytest.raises(InputError, match="Is a directory"):
        survey(wanted(tmp_path))


@pytest.mark.parametrize(("value", "key"), [("a", b"a"), (7, b"7"), (1.5, b"1.5"), ("é", "é".encode())])
def test_key_is_the_fields_text(value, key):
    row = Row(1, {"id": value}, b"{}")
    assert list(keyed([row], "id")) == [(row, key)]


@pytest.mark.parametrize("fields", [{}, {"id": ""}, {"id": None}, {"id": True}, {"id": ["a"]}, {"id": {}}])
def test_a_row_without_a_key_is_broken(fields):
    assert list(keyed([Row(4, fields, b"{}")], "id")) == [Broken(4, "no text or number in the key field 'id'")]


def test_without_a_key_field_records_have_none():
    row = Row(1, {}, b"{}")
    assert list(keyed([row, Broken(2, "x")], None)) == [(row, None), Broken(2, "x")]


def test_a_topic_is_complete_when_the_last_row_is_its_last_record():
    assert is_complete([record(b"d", b"7", b"9"), record(b"d", b"9", b"9")], "d")
    assert not is_complete([record(b"d", b"7", b"9"), record(b"d", b"8", b"9")], "d")
    assert not is_complete([record(b"e", b"9", b"9")], "d")
    assert not is_complete([Record(Partition("films", 0), 1, 0, None, b"{}")], "d")
    assert not is_complete([], "d")


async def test_acknowledgements_are_bounded(monkeypatch):
    monkeypatch.setattr(load, "MAX_RECORDS", 2)
    waiting, futures = Acknowledgements(), [asyncio.get_running_loop().create_future() for _ in range(3)]
    await waiting.add(futures[0], 1)
    await waiting.add(futures[1], 1)
    third = asyncio.create_task(waiting.add(futures[2], 1))
    await asyncio.sleep(0)
    assert not third.done()
    futures[0].set_result(None)
    await third
    futures[1].set_exception(KafkaError())
    with pytest.raises(KafkaError):
        await waiting.all()
    waiting.forget()
    assert futures[2].cancelled()


async def test_one_large_row_is_waited_for():
    sent = asyncio.get_running_loop().create_future()
    adding = asyncio.create_task(Acknowledgements().add(sent, load.MAX_BYTES + 1))
    await asyncio.sleep(0)
    assert not adding.done()
    sent.set_result(None)
    await adding


def test_report_in_words():
    report = Report("a.csv", "films", "d", 1_000, 0, loaded=True, seconds=1.25)
    assert str(report) == "1,000 rows of a.csv loaded into films in 1.2 s"
    assert "2 broken rows skipped" in str(Report("a.csv", "films", "d", 10, 2, loaded=True, seconds=1.0))
    assert "holds the 10 rows of a.csv already" in str(Report("a.csv", "films", "d", 10, 0, loaded=False, seconds=0.1))
