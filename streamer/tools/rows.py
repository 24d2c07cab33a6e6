"""Files of rows: csv, tsv and jsonl, plain or gzip, as JSON objects with the line where each begins."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Literal

import msgspec
import orjson

from streamer.errors import InputError

Format = Literal["csv", "tsv", "jsonl"]

GZIP_MAGIC = b"\x1f\x8b"
BOM = b"\xef\xbb\xbf"
# Longer than any record that Kafka takes by default; it bounds what an unclosed quote can swallow.
LONGEST_FIELD = 16 << 20
SUFFIXES: dict[str, Format] = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl"}


class Layout(msgspec.Struct, frozen=True):
    """How to read a file. With `columns` it has no header line; without, its first line is one."""

    format: Format
    columns: tuple[str, ...] = ()


class Row(msgspec.Struct, frozen=True):
    """A row: the `line` where it begins (the first is 1), its fields, and `value`, its JSON object."""

    line: int
    fields: dict[str, Any]
    value: bytes


class Broken(msgspec.Struct, frozen=True):
    """A row that cannot be read, and why."""

    line: int
    why: str


def layout_of(path: Path, form: str | None, columns: str | None) -> Layout:
    """Return how to read the file: in the format that is given or that its name says, `.gz` aside.

    `columns` are names with commas between. Raises InputError.
    """
    known = form or SUFFIXES.get(Path(path.name.removesuffix(".gz")).suffix.lower())
    if known is None:
        raise InputError(f"cannot tell the format of {path.name} from its name: give --format csv, tsv or jsonl")
    names = tuple(name.strip() for name in columns.split(",")) if columns else ()
    if not all(names) or len(set(names)) != len(names):
        raise InputError(f"--columns {columns} has an empty or repeated name")
    try:
        layout = msgspec.convert({"format": known, "columns": names}, Layout)
    except msgspec.ValidationError as error:
        raise InputError(f"--format {known} is not csv, tsv or jsonl") from error
    if layout.format == "jsonl" and names:
        raise InputError("--columns is for csv and tsv: the rows of jsonl name their fields themselves")
    return layout


def read_rows(file: BinaryIO, layout: Layout) -> Iterator[Row | Broken]:
    """Yield the rows of an open file, gzip or plain by its content; empty lines are passed over.

    Raises InputError when the header is wrong or the compressed data are damaged.
    """
    lines = _without_bom(_unpacked(file))
    try:
        yield from _json_rows(lines) if layout.format == "jsonl" else _table_rows(lines, layout)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"the compressed data are cut off or damaged: {error}") from error


def _unpacked(file: BinaryIO) -> BinaryIO:
    magic = file.read(len(GZIP_MAGIC))
    file.seek(0)
    if magic != GZIP_MAGIC:
        return file
    return io.BufferedReader(gzip.GzipFile(fileobj=file))


def _without_bom(lines: Iterable[bytes]) -> Iterator[bytes]:
    for number, line in enumerate(lines):
        yield line.removeprefix(BOM) if number == 0 else line


def _json_rows(lines: Iterable[bytes]) -> Iterator[Row | Broken]:
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if text:
            yield _json_row(number, text)


def _json_row(number: int, text: bytes) -> Row | Broken:
    try:
        fields = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return Broken(number, f"not JSON: {error}")
    # The bytes go on as they are: what is read and written again could lose digits of a number.
    return Row(number, fields, text) if isinstance(fields, dict) else Broken(number, "not a JSON object")


def _table_rows(lines: Iterable[bytes], layout: Layout) -> Iterator[Row | Broken]:
    records = _records(lines, layout.format)
    columns = layout.columns or _header(next(records, None))
    for line, record in records:
        yield Broken(line, record) if isinstance(record, str) else _table_row(line, columns, record)


def _records(lines: Iterable[bytes], form: Format) -> Iterator[tuple[int, list[str] | str]]:
    """Yield line and fields of each record, or what is wrong with it."""
    csv.field_size_limit(LONGEST_FIELD)
    # What is not UTF-8 becomes lone surrogates, which are seen below: one bad row must not end the file.
    text = (line.decode("utf-8", "surrogateescape") for line in lines)
    # Tab-separated values know no quotes.
    reader = (
        csv.reader(text, delimiter="\t", quoting=csv.QUOTE_NONE) if form == "tsv" else csv.reader(text, strict=True)
    )
    while True:
        line = reader.line_num + 1
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, str(error)
            continue
        if record:
            yield line, record


def _header(first: tuple[int, list[str] | str] | None) -> tuple[str, ...]:
    if first is None:
        return ()
    line, names = first
    if isinstance(names, str):
        raise InputError(f"line {line}: the header cannot be read: {names}")
    if not all(names) or len(set(names)) != len(names):
        raise InputError(f"line {line}: the header {names} has an empty or repeated name: give --columns instead")
    return tuple(names)


def _table_row(line: int, columns: Sequence[str], record: list[str]) -> Row | Broken:
    if len(record) != len(columns):
        return Broken(line, f"{len(record)} fields, expected {len(columns)} ({', '.join(columns)})")
    fields = dict(zip(columns, record, strict=True))
    try:
        return Row(line, fields, orjson.dumps(fields))
    except orjson.JSONEncodeError:
        return Broken(line, "not valid UTF-8")
