"""How a CSV or TSV file is laid out: its delimiter, whether it quotes, whether it has a header."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from wenliu.errors import UserError
from wenliu.readers.delimited import iter_records
from wenliu.readers.encodings import text_blocks
from wenliu.readers.options import ReadOptions

#: The first that explains the lines best wins.
DELIMITERS = ("\t", ",", ";", "|")
NAMES = {"\t": "tab", ",": "comma", ";": "semicolon", "|": "bar"}
_SAMPLE_LINES = 2000
#: Quoting is decided over this much text: one line can tell.
_QUOTING_CHARS = 64 << 20
#: Share of lines with quoted fields from which a TSV counts as quoted.
_MOSTLY = 0.9
_KNOWN_NAMES = re.compile(
    r"text|text_?[ab]|content|review|comment|sentence\d?|title|query|question|message|body|"
    r"labels?|category|class|topic|department|sentiment|intent|target|type|tag|"
    r"id|uid|guid|index|split|group|date|time|source|score|rating|stars?|"
    r"文本|内容|正文|评论|评论内容|评价|评价内容|留言|标题|问题|句子|消息|反馈|反馈内容|"
    r"标签|类别|分类|类型|主题|科室|部门|情感|意图|编号|序号|日期|时间|来源|评分|星级",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?")
_SENTENCE = re.compile("[，。！？；、…,!?;]|[^\0-\x7f].* .*[^\0-\x7f]")


def find_delimiter(path: Path, options: ReadOptions, suffix: str) -> tuple[str, str]:
    """The delimiter and the reason.

    Each candidate is tried with and without quoting; its score is the share of records that have
    as many fields as the first. What the name of the file promises wins unless it fits badly.
    A file of one column comes out with the delimiter of its name.
    """
    if options.delimiter != "auto":
        return options.delimiter, "given"
    promised = "," if suffix == ".csv" or options.format == "csv" else "\t"
    sample, complete = _sample(path, options)
    scores = {mark: _score(sample, complete, mark) for mark in DELIMITERS}
    if scores[promised] >= 0.9:
        return promised, f"{scores[promised]:.0%} of the rows have equally many fields"
    best = max(DELIMITERS, key=lambda mark: scores[mark])
    # Running text holds commas too; only if practically every line agrees are they delimiters.
    if scores[best] >= 0.99:
        return best, f"{scores[best]:.0%} of the rows have equally many fields"
    if scores[promised] >= 0.5:
        return promised, "by the name of the file, although rows differ"
    if suffix == ".csv" and scores[best] >= 0.5:
        return best, "most rows have equally many fields"
    return promised, "one column"


def find_quoting(path: Path, options: ReadOptions) -> tuple[str, str]:
    """``minimal`` or ``none`` for a file whose delimiter is known, and the reason.

    A CSV quotes by convention, so that a quote left open is an error. A TSV mostly does not, and
    reading it as if it did swallows whole rows between two stray quotes. So a TSV whose lines all
    have the same number of tabs is unquoted, unless its quotes look like a writer's: nine lines
    in ten have quoted fields, or quotes within them are doubled, and each line parses by itself.
    """
    if options.quoting != "auto":
        return options.quoting, "given"
    if options.delimiter != "\t":
        return "minimal", "as CSV does"
    lines = quoted = odd = doubled = seen = 0
    widths: Counter[int] = Counter()
    for block in text_blocks(path, options.encoding, options, cut_long_lines=True, newline="\n"):
        for line in io.StringIO(block, newline="\n"):
            if line.isspace():
                continue
            lines += 1
            widths[line.count("\t")] += 1
            if line.startswith('"') or '\t"' in line:
                quoted += 1
                odd += not _parses(line)
                doubled += '""' in line.replace('\t""', "")
        seen += len(block)
        if seen > _QUOTING_CHARS:
            break
    if not quoted:
        return "none", "no field starts with a quote"
    if len(widths) == 1:
        if not odd and (quoted >= _MOSTLY * lines or doubled):
            return "minimal", f"{quoted} of {lines} lines have quoted fields, all well formed"
        return "none", f"every line has {next(iter(widths))} tabs; {quoted} lines hold stray quotes"
    if quoted >= _MOSTLY * lines or _is_rectangular(path, replace(options, quoting="minimal")):
        return "minimal", "with quotes all rows have equally many fields, without them not"
    return "none", f"{quoted} lines hold quotes that are not a writer's"


def find_header(records: Sequence[Sequence[str]]) -> tuple[bool, str]:
    """Whether the first record names the columns, and the reason.

    Args:
        records: The first one and as many others as are at hand.
    """
    first, body = records[0], records[1:]
    known = [
        value
        for position, value in enumerate(first)
        if _KNOWN_NAMES.fullmatch(value.strip()) and not _is_usual(value, position, body)
    ]
    if known and len(known) * 3 >= len(first):
        return True, f"the first row holds the name {known[0].strip()!r}"
    for value in first:
        if not value.strip():
            return False, "the first row has a blank field"
        if _NUMBER.fullmatch(value.strip()):
            return False, f"the first row holds the number {value.strip()}"
        if len(value) > 30 or _SENTENCE.search(value):
            return False, "the first row holds running text"
    if len(set(first)) < len(first):
        return False, "the first row repeats a value"
    if len(first) == 1:
        return False, "one column, and its first row is no known name"
    for position, value in enumerate(first):
        column = [record[position] for record in body if len(record) > position]
        if value in column:
            return False, f"{value!r} stands again further down"
        if column and all(_NUMBER.fullmatch(each.strip()) for each in column):
            return True, f"{value!r} stands above numbers"
    return True, "the first row is short names that do not come again"


def _is_usual(value: str, position: int, body: Sequence[Sequence[str]]) -> bool:
    """Whether a name is just what stands in every row, such as the word 分类."""
    again = sum(len(record) > position and record[position] == value for record in body)
    return bool(body) and 2 * again >= len(body)


def _sample(path: Path, options: ReadOptions) -> tuple[str, bool]:
    lines: list[str] = []
    for block in text_blocks(path, options.encoding, options, cut_long_lines=True):
        lines += islice(io.StringIO(block, newline=""), _SAMPLE_LINES - len(lines))
        if len(lines) >= _SAMPLE_LINES:
            return "".join(lines), False
    return "".join(lines), True


def _score(sample: str, complete: bool, delimiter: str) -> float:
    lines = [line for line in io.StringIO(sample, newline="") if not line.isspace()]
    plain = [line.count(delimiter) + 1 for line in lines]
    parsed: list[int] = []
    errors = 0
    try:
        reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter, strict=True)
        parsed.extend(len(record) for record in reader if record)
    except csv.Error as error:
        # The sample may end within quotes where the file does not.
        errors = 0 if not complete and "end of data" in str(error) else len(lines)
    return max(_share(plain, len(plain)), _share(parsed, len(parsed) + errors))


def _share(widths: list[int], total: int) -> float:
    if not widths or widths[0] < 2:
        return 0.0
    return widths.count(widths[0]) / total


def _parses(line: str) -> bool:
    try:
        return len(list(csv.reader([line], delimiter="\t", strict=True))) == 1
    except csv.Error:
        return False


def _is_rectangular(path: Path, options: ReadOptions) -> bool:
    widths = set()
    seen = 0
    try:
        for _, values, _ in iter_records(path, options):
            widths.add(len(values))
            seen += sum(map(len, values))
            if len(widths) > 1 or seen > _QUOTING_CHARS:
                break
    except UserError:
        return False
    return len(widths) == 1
