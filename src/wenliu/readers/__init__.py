"""Raw files of any supported format: sniffed, decoded strictly, read row by row.

``sniff(path)`` decides what a file is, ``iter_rows(path, sniffed)`` reads it in constant memory,
``read_files(paths, options)`` reads the columns that matter from several files at once.
"""

from wenliu.readers.files import FileRows, read_files
from wenliu.readers.options import ROLES, BadRow, ReadOptions, Row
from wenliu.readers.rows import iter_rows
from wenliu.readers.sniffing import Sniffed, sniff

__all__ = [
    "ROLES",
    "BadRow",
    "FileRows",
    "ReadOptions",
    "Row",
    "Sniffed",
    "iter_rows",
    "read_files",
    "sniff",
]
