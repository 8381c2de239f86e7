"""The format of a file, from its content first and its name second."""

from __future__ import annotations

import codecs
import json
from pathlib import Path

from wenliu.errors import UserError
from wenliu.readers.options import Format, ReadOptions
from wenliu.readers.sources import read_head

_BY_SUFFIX: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".txt": "tsv",
    ".tab": "tsv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_REFUSED = {
    b"\xd0\xcf\x11\xe0": ("an old Excel workbook (.xls)", "save it as .xlsx or as CSV (UTF-8)"),
    b"%PDF": ("a PDF", "export its table as CSV or xlsx"),
    b"\x89PNG": ("a picture", "name a table"),
    b"\xff\xd8\xff": ("a picture", "name a table"),
    b"7z\xbc\xaf": ("a 7z archive", "unpack it"),
    b"Rar!": ("a RAR archive", "unpack it"),
    b"\xfd7zXZ": ("an xz archive", "unpack it, or compress with gzip"),
    b"BZh": ("a bzip2 archive", "unpack it, or compress with gzip"),
    b"ARROW1": ("an Arrow file", "save it as Parquet"),
}


def find_format(path: Path, options: ReadOptions) -> tuple[Format, str]:
    """The format and the reason.

    Raises:
        UserError: It is a format that is not read.
    """
    if options.format != "auto":
        return options.format, "given"
    head = read_head(path, options)
    if head.startswith(b"PAR1"):
        return "parquet", "starts as Parquet does"
    if head.startswith(b"PK\x03\x04"):
        return "xlsx", "is a zip archive, as workbooks are"
    for start, (name, remedy) in _REFUSED.items():
        if head.startswith(start):
            raise UserError(f"The file is {name}.", where=str(path), remedy=remedy)
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    by_name = _BY_SUFFIX.get(suffixes[-1]) if suffixes else None
    if by_name in ("xlsx", "parquet"):
        raise UserError(
            f"The file is called {suffixes[-1]} but does not start as one.",
            where=str(path),
            remedy="copy it again, or rename it to what it is",
        )
    if by_name in ("csv", "jsonl"):
        return by_name, f"is called {suffixes[-1]}"
    text = _as_text(head).lstrip()
    if _starts_json_lines(text):
        return "jsonl", "the first line is a JSON object of its own"
    if by_name == "json" or text.startswith(("[{", "[\n", '{"')):
        return "json", "is called .json" if by_name == "json" else "starts as JSON does"
    if by_name:
        return by_name, f"is called {suffixes[-1]}"
    return "tsv", "taken for a table with delimiters"


def _as_text(head: bytes) -> str:
    wide = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return head.decode("utf-16" if wide else "utf-8-sig", "replace")


def _starts_json_lines(text: str) -> bool:
    first, _, rest = text.partition("\n")
    if not first.startswith("{"):
        return False
    try:
        record = json.loads(first)
    except (ValueError, RecursionError):
        return False
    # {"data": [...]} may stand in one line as well.
    return bool(rest.strip()) or not any(isinstance(v, list | dict) for v in record.values())
