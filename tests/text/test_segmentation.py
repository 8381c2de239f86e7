"""Words with exact offsets, the same from both engines, and no file in a shared folder."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wenliu.errors import UserError
from wenliu.text.segmentation import Segmenter, read_user_dictionary

SENTENCES = [
    "客服小姐姐态度特别好，三分钟就帮我把问题解决了。",
    "Wi-Fi信号太差，GTX-1060显卡跑v1.0.2版驱动，温度90.5%都压不住！",
    "用C++写的后端，c#写的前端，AT&T的网络……",
    "请发邮件到 li.si@example.com 或者访问 http://example.com/a_b?c=1%20",
    "3.5mm耳机孔 5%-10% 1,000元 -5度 e.g.这样 u_v 1.5.6",
    "T恤衫洗了两次就变形，AA制聚餐，4S店保养",
    "订单号20231015-ABC_99#77，型号X+Y&Z",
    "",
    "   \n\t ",
    "𠮷野家的牛肉饭，เบอร์ติดต่อ",
]
_PIECES = "AT&T|C++|c#|T恤|AA|a|b|1|2|.|%|+|#|&|_|-|我|的|好用|很|，| |x|Ab|3.5|100%|/|云计算|\n"


@pytest.fixture(scope="module")
def engines() -> tuple[Segmenter, Segmenter]:
    return Segmenter("rjieba"), Segmenter("jieba")


def test_both_engines_cut_alike(engines: tuple[Segmenter, Segmenter]) -> None:
    rust, python = engines
    for text in SENTENCES:
        assert rust.words(text) == python.words(text)
    chance = random.Random(3)
    units = _PIECES.split("|")
    for _ in range(5000):
        text = "".join(chance.choices(units, k=chance.randint(1, 8)))
        assert rust.words(text) == python.words(text)


def test_both_engines_cut_real_lines_alike(engines: tuple[Segmenter, Segmenter]) -> None:
    shared = Path(__file__).resolve().parents[3] / "shared" / "data"
    data = Path(os.environ.get("WENLIU_BENCH_DATA") or shared)
    file = data / "classification" / "thucnews_titles" / "titles.txt"
    if not file.is_file():
        pytest.skip(f"no real data at {data}")
    rust, python = engines
    lines = file.read_text("utf-8").splitlines()[::4]
    differing = sum(rust.words(line) != python.words(line) for line in lines)
    assert differing <= 0.0001 * len(lines)


@settings(max_examples=300, deadline=None)
@given(text=st.one_of(st.text(), st.text(st.sampled_from("\ud800\udc00我们a1.-+% \r\n"))))
def test_words_joined_are_the_text(engines: tuple[Segmenter, Segmenter], text: str) -> None:
    for segmenter in engines:
        words = segmenter.segment(text)
        assert "".join(word for word, _ in words) == text
        assert all(text[start : start + len(word)] == word and word for word, start in words)


def test_long_texts_without_a_border_do_not_hang(engines: tuple[Segmenter, Segmenter]) -> None:
    text = "魑魅魍魉饕餮" * 5000
    for segmenter in engines:
        assert "".join(segmenter.words(text)) == text


def test_the_users_words_are_cut_out_by_both(tmp_path: Path) -> None:
    file = tmp_path / "words.txt"
    file.write_text("\ufeff小红书\n云快充 5 nz\n\nSuper-Buds 3\nEdu Trust认证 2000\n", "utf-8")
    text = "在小红书看到云快充和Super-Buds，还有Edu Trust认证"
    rust, python = Segmenter("rjieba", file), Segmenter("jieba", file)
    assert rust.words(text) == python.words(text)
    assert {"小红书", "云快充", "Super-Buds"} <= set(rust.words(text))
    assert "小红书" not in Segmenter().words("他喜欢刷小红书APP")
    tags = Segmenter("jieba", file, part_of_speech=True).tag("云快充")
    assert tags == [("云快充", 0, "nz")]


def test_a_bad_dictionary_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "words.txt"
    file.write_text("好词 3 n\n坏\t词\n", "utf-8")
    with pytest.raises(UserError, match="line 2"):
        read_user_dictionary(file)
    with pytest.raises(UserError, match="missing"):
        read_user_dictionary(tmp_path / "missing.txt")
    file.write_bytes("词语".encode("gb18030"))
    with pytest.raises(UserError, match="UTF-8"):
        read_user_dictionary(file)


def test_tags_come_from_jieba_and_that_is_said() -> None:
    segmenter = Segmenter("rjieba", part_of_speech=True)
    assert segmenter.engine == "jieba" and segmenter.warnings
    tagged = segmenter.tag("我爱北京\ud800天安门")
    assert "".join(word for word, _, _ in tagged) == "我爱北京\ud800天安门"
    assert ("北京", 2, "ns") in tagged
    assert segmenter.words("我爱北京") == ["我", "爱", "北京"]
    with pytest.raises(ValueError, match="part_of_speech"):
        Segmenter().tag("我")


def test_the_shared_folder_is_neither_read_nor_written(tmp_path: Path) -> None:
    # A planted cache is what jieba would read, an audit hook sees every file that is opened.
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "jieba.cache").write_bytes(b"planted")
    script = """
import os, sys
opened = []
sys.addaudithook(lambda e, a: opened.append(str(a[0])) if e in ("open", "os.rename") else None)
from wenliu.text.segmentation import Segmenter
for cache in ("none", "private"):
    segmenter = Segmenter("jieba", part_of_speech=True, cache=cache)
    assert segmenter.words("我们中出了一个叛徒")[0] == "我们", segmenter.words("我们")
    assert Segmenter("jieba", cache=cache).words("今天天气很好") == ["今天天气", "很", "好"]
Segmenter().words("今天天气很好")
assert not [path for path in opened if path.startswith(os.environ["TMPDIR"])], opened
"""
    cache = tmp_path / "cache"
    environment = {**os.environ, "TMPDIR": str(shared), "XDG_CACHE_HOME": str(cache)}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == "" and done.stdout == ""
    assert [file.name for file in shared.iterdir()] == ["jieba.cache"]
    private = cache / "wenliu" / "jieba"
    assert private.stat().st_mode & 0o777 == 0o700
    assert (private / "jieba.cache").is_file()


def test_a_folder_that_others_can_write_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wenliu.text.jieba_engine import private_folder

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = private_folder()
    assert tempfile.gettempdir() != str(folder)
    folder.chmod(0o777)
    with pytest.raises(UserError, match="not private"):
        private_folder()
    folder.rmdir()
    folder.symlink_to(tmp_path)
    with pytest.raises(UserError, match="not private"):
        private_folder()
