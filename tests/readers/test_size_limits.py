"""Decompression bombs and endless rows are refused in little memory."""

import gzip
import subprocess
import sys
import zipfile
import zlib

import openpyxl
import pytest

from wenliu.errors import UserError
from wenliu.readers import ReadOptions, iter_rows, sniff

MEASURE = """
import sys
from pathlib import Path
from wenliu.errors import UserError
from wenliu.readers import ReadOptions, iter_rows
options = ReadOptions(max_expansion=float(sys.argv[2]), max_file_bytes=int(sys.argv[3]))
count = 0
try:
    for row in iter_rows(Path(sys.argv[1]), options):
        count += 1
    print("read", count)
except UserError as error:
    print(error.found)
# Not ru_maxrss: a child inherits its parent's peak, and pytest's own may be large.
status = Path("/proc/self/status").read_text()
print(int(status.split("VmHWM:")[1].split()[0]) // 1024)
"""


def measure(path, expansion=100.0, size=4 * 2**30):
    """What reading the file came to, and the peak memory in MB, in a process of its own."""
    command = [sys.executable, "-c", MEASURE, str(path), str(expansion), str(size)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    *said, megabytes = result.stdout.splitlines()
    return " ".join(said), int(megabytes)


def bomb(path, megabytes, block=b"\x61" * 2**20, head=b"text,label\n"):
    with path.open("wb") as file:
        packer = zlib.compressobj(9, wbits=31)
        file.write(packer.compress(head))
        for _ in range(megabytes):
            file.write(packer.compress(block))
        file.write(packer.flush())
    return path


@pytest.mark.parametrize("block", [b"a" * 2**20, b"spam,b\n" * 150_000], ids=["line", "rows"])
def test_a_gzip_bomb_is_refused(tmp_path, block):
    path = bomb(tmp_path / "a.csv.gz", 300, block)
    said, megabytes = measure(path)
    assert "decompression bomb" in said
    assert megabytes < 500


def test_the_total_size_is_limited_while_reading(tmp_path):
    path = bomb(tmp_path / "a.csv.gz", 100, b"spam,b\n" * 150_000)
    said, megabytes = measure(path, expansion=1e9, size=2**24)
    assert "more than 16,777,216 bytes" in said
    assert megabytes < 500


def test_one_endless_line_is_refused_in_little_memory(tmp_path):
    path = bomb(tmp_path / "a.csv.gz", 150)
    said, megabytes = measure(path, expansion=1e9)
    assert "longer than 1,000,000 characters" in said
    assert megabytes < 200


def test_memory_stays_flat_for_an_ordinary_file(tmp_path):
    path = tmp_path / "a.csv"
    with path.open("w", encoding="utf-8") as file:
        file.write("text,label\n")
        for start in range(0, 300_000, 1000):
            file.writelines(
                f"第{i}条很普通的留言内容写在这里,类{i % 3}\n" for i in range(start, start + 1000)
            )
    said, megabytes = measure(path)
    assert said == "read 300000"
    assert megabytes < 200


def test_ordinary_repetition_is_no_bomb(tmp_path):
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"text,label\n" + b"same row,a\n" * 50_000))
    assert sniff(path).rows == 50_000


def test_a_workbook_bomb_is_refused(tmp_path):
    book = openpyxl.Workbook()
    book.active.append(["text", "label"])
    book.save(tmp_path / "a.xlsx")
    with zipfile.ZipFile(tmp_path / "a.xlsx", "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/sharedStrings.xml", b"<a>" + b" " * 2**26)
    with pytest.raises(UserError, match="decompression bomb"):
        sniff(tmp_path / "a.xlsx")


def test_a_truncated_gzip_is_refused(tmp_path):
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"text,label\n" + "你好,a\n".encode() * 1000)[:-9])
    with pytest.raises(UserError, match="damaged or incomplete"):
        list(iter_rows(path, ReadOptions()))
