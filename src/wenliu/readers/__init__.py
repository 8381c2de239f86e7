"""Raw files of any supported format: sniffed, decoded strictly, read row by row.

``sniff(path)`` decides what a file is, ``iter_rows(path, sniffed)`` reads it in constant memory,
``open_files(paths, options)`` looks at several files at once, whose blocks of rows hold the columns
that matter.
"""

from wenliu.readers.files import Block, RawFile, open_files
from wenliu.readers.options import ROLES, BadRow, ReadOptions, Row
from wenliu.readers.rows import iter_rows
from wenliu.readers.sniffing import Sniffed, sniff

__all__ = [
    "ROLES",
    "BadRow",
    "Block",
    "RawFile",
    "ReadOptions",
    "Row",
    "Sniffed",
    "iter_rows",
    "open_files",
    "sniff",
]
