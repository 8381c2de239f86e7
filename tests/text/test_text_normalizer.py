"""Cleaning: one result by every way, exact positions, linear time, defined edge cases."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wenliu.errors import UserError
from wenliu.text.edits import Edits
from wenliu.text.normalizer import Normalizer, TextSettings
from wenliu.text.settings import resolve_settings

#: What a vocabulary like Google's Chinese one has of signs; characters and lower-case letters too.
VOCABULARY = {
    *"，。！？：；、（）《》「」~·-'\"()[]{}.,!?:;@#/%&*+=<>|$0123456789",
    *"abcdefghijklmnopqrstuvwxyz",
    *map(chr, range(0x4E00, 0xA000)),
    "😂",
    "##😂",
    "👍",
}
BERT = Normalizer(resolve_settings(vocabulary=VOCABULARY, lowercase=True, simplify=False))
SCRATCH = Normalizer(resolve_settings(vocabulary=None, lowercase=True, simplify=True))
BARE = Normalizer(
    resolve_settings(
        vocabulary=VOCABULARY,
        lowercase=False,
        simplify=True,
        masking=dict.fromkeys(("urls", "emails", "mentions", "phones", "id_numbers"), "drop"),
        invisible=False,
        emoji="drop",
        repeats=1,
    )
)
NORMALIZERS = {"bert": BERT, "scratch": SCRATCH, "bare": BARE}

_FRAGMENTS = """
<br> <p> <a\thref="x"> </a> <!-- --> <script> </script> <红楼> & &amp; &lt; &nbsp; &#8203;
&#65313; http:// www. t.cn/x ｈｔｔｐ @ ＠ a@b.cn @小明 138 1381 13800138000 110105
19491231002X “ ” … —— ～ ＡＢ １２ 　 國 乾隆 乾燥 İ Σ ς ẞ 😂 👍 🏻 🇨 🇳 ⃣ 1 哈哈 。。。 !!
\u200b \ufeff \ud83d \x00 𠮷 \u2028
"""
_fragments = st.sampled_from(_FRAGMENTS.split(" "))
_texts = st.lists(
    st.one_of(
        _fragments,
        st.text(alphabet=st.characters(), max_size=4),
        st.text(alphabet="哈a1 。<>&;@./:w‘\u3000Ａ-", max_size=6),
        st.characters(categories=["Cs"]),
    ),
    max_size=12,
).map("".join)


@pytest.mark.parametrize("name", NORMALIZERS)
@settings(max_examples=400, deadline=None)
@given(texts=st.lists(_texts, max_size=4))
def test_every_way_gives_one_result(name: str, texts: list[str]) -> None:
    normalizer = NORMALIZERS[name]
    single = [normalizer.clean(text) for text in texts]
    assert [normalizer.clean_with_edits(text)[0] for text in texts] == single
    assert normalizer.clean_batch(texts) == single


@pytest.mark.parametrize("name", NORMALIZERS)
@settings(max_examples=400, deadline=None)
@given(text=_texts)
def test_positions_are_in_range_and_monotone(name: str, text: str) -> None:
    clean, edits = NORMALIZERS[name].clean_with_edits(text)
    assert Edits.from_flat(edits.flat) == edits
    for move, source, target in (
        (edits.to_old, len(clean), len(text)),
        (edits.to_new, len(text), len(clean)),
    ):
        last = (0, 0)
        for at in range(source):
            start, end = move(at, at + 1)
            assert 0 <= start <= end <= target
            assert last[0] <= start and last[1] <= end
            last = (start, end)
        assert move(0, source)[1] <= target
    if edits.flat is None:
        assert len(clean) == len(text)
        assert all(edits.to_old(i, i + 1) == (i, i + 1) for i in range(len(text)))
    if clean == text:
        assert edits.flat is None


@settings(max_examples=300, deadline=None)
@given(before=_texts, after=_texts)
def test_an_untouched_chinese_entity_comes_back_exactly(before: str, after: str) -> None:
    # Signs that no rule touches fence the entity off from links and names on either side.
    text, entity = f"{before}。北京协和医院，{after}", "北京协和医院"
    start = len(before) + 1
    clean, edits = BERT.clean_with_edits(text)
    new_start, new_end = edits.to_new(start, start + len(entity))
    if entity not in clean:  # inside a comment or a script
        return
    assert clean[new_start:new_end] == entity
    assert edits.to_old(new_start, new_end) == (start, start + len(entity))


def test_spans_move_with_what_stands_around_them() -> None:
    text = "<p>　我在&ldquo;北京协和医院&rdquo;用ＢＭＷ……\u200b看病</p>"
    clean, edits = BERT.clean_with_edits(text)
    assert clean == '我在"北京协和医院"用bmw...看病'
    for old, new in (("北京协和医院", "北京协和医院"), ("ＢＭＷ", "bmw"), ("看病", "看病")):
        start = text.index(old)
        span = edits.to_new(start, start + len(old))
        assert clean[slice(*span)] == new
        assert edits.to_old(*span) == (start, start + len(old))
    # Part of what was replaced brings back all of it, what was deleted nothing.
    assert edits.to_old(2, 3) == (text.index("&ld"), text.index("北"))
    assert edits.to_new(0, 3) == (0, 0)


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("推荐<荐书>和<红楼>", "推荐<荐书>和<红楼>"),
        ("第一行<br/>第二行<BR>第三行", "第一行 第二行 第三行"),
        ("<div class='a'>很<b>好</b></div><!-- 注 <p> -->", "很好"),
        ("<script>var a='<p>';</script>正文<style>p{}</style>", "正文"),
        ("如果a<b 并且c>d", "如果a<b 并且c>d"),
        ("A&amp;B &amp;lt;b&amp;gt; AT&T &未知; &nbsp;完", "a&b at&t &未知; 完"),
        ("５月ＯＢＵ业务，好！", "5月obu业务，好！"),
        ("看http://t.cn/Rx12?a=1吧，或www.example.com。", "看链接吧，或链接。"),
        ("写信到zhang.san@example.com.cn谢谢", "写信到邮箱谢谢"),
        ("//@张三: 同意 @li_si 你好 3@5元", "//@用户: 同意 @用户 你好 3@5元"),
        ("电话13800138000或010-12345678，编号123456", "电话电话或电话，编号123456"),
        ("身份证11010519491231002X。", "身份证证件。"),
        ("哈哈哈哈哈！！！！！ 10000000元", "哈哈哈！！！ 10000000元"),
        ("“好”‘吧’……——", "\"好\"'吧'...--"),
        ("好😂😂👍🏻😍", "好😂😂 👍 花痴"),
        ("我来自🇨🇳，第1️⃣名", "我来自 中国 ，第 1 名"),
        ("İstanbul ΣΑΣ", "i̇stanbul σασ"),
    ],
)
def test_rules(raw: str, clean: str) -> None:
    assert BERT.clean(raw) == clean


def test_scratch_simplifies_by_word_and_keeps_emoji() -> None:
    assert SCRATCH.clean("乾隆皇帝的乾燥劑，發現頭髮😍") == "乾隆皇帝的干燥剂，发现头发😍"


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("", ""),
        (" \t\n\u3000\xa0", ""),
        ("😂", "😂"),
        ("😍😍", "花痴 花痴"),
        ("𠮷野家", "𠮷野家"),
        ("\u202eابج\u202c 中文", "ابج 中文"),
        ("\u200b\u200d\ufeff\x00", ""),
        ("\ud83d中\udc4d", "中"),
    ],
)
def test_edge_inputs(raw: str, clean: str) -> None:
    assert BERT.clean(raw) == BERT.clean_batch([raw])[0] == clean


_SENTENCES = [
    "这家酒店的WiFi很慢，iPhone 15连不上，打了客服电话也没人接。",
    "快递3天才到，包装破了！客服说可以退10元……",
    "看<br>这里 http://example.com/Path?Q=1 再说&nbsp;吧",
    "联系service@example.com或者@Wang_Li，谢谢",
]


def _wide(text: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if c.isascii() and c.isalnum() else c for c in text)


@pytest.mark.parametrize("normalizer", [BERT, SCRATCH])
@pytest.mark.parametrize("text", _SENTENCES)
def test_variants_of_a_text_clean_alike(normalizer: Normalizer, text: str) -> None:
    clean = normalizer.clean(text)
    assert normalizer.clean("\ufeff" + text) == clean
    assert normalizer.clean("\u200b".join(text)) == clean
    assert normalizer.clean(text.upper()) == clean
    assert normalizer.clean(text.replace(" ", "\u3000")) == clean
    if "http" not in text and "@" not in text and "&" not in text:
        assert normalizer.clean(_wide(text)) == clean


_HOSTILE = {
    "angle": "<",
    "open_tag": "<a ",
    "comment": "<!--",
    "script": "<script>",
    "doctype": "<!doctype",
    "ampersand": "&",
    "entity": "&amp",
    "numeric": "&#1",
    "url": "http://",
    "www": "www.",
    "at": "@",
    "at_letter": "@a",
    "at_domain": "@a.",
    "digit": "1",
    "phone": "1380013800-",
    "digits_blank": "1381 ",
    "space": " ",
    "space_letter": " a",
    "tabs": "\t",
    "letter": "a",
    "capital": "A",
    "han": "哈",
    "pair": "哈啊",
    "zero_width": "\u200b",
    "surrogate": "\ud83d",
    "emoji": "😍",
    "flag": "🇨",
    "tone": "🏻",
    "keycap": "1⃣",
    "quote": "“",
    "traditional": "國",
    "wide": "Ａ",
}


@pytest.mark.parametrize("unit", _HOSTILE.values(), ids=_HOSTILE)
def test_hostile_input_takes_linear_time(unit: str) -> None:
    """Reliability 25: at most 50 ms for 10,000 characters, whatever they are."""
    size = 200_000
    for text in (
        (unit * (size // len(unit))) + "@",
        "a" * 100 + "@" + unit * (size // len(unit)),
    ):
        for normalizer in (BERT, SCRATCH):
            start = time.process_time()
            normalizer.clean_with_edits(text)
            # The floor is 50 ms for 10,000 characters: 1 s here.
            assert time.process_time() - start < 1.0


def test_a_million_characters() -> None:
    """Reliability 25: at most 50 ms for 10,000 characters of a million."""
    text = "这是一条很长的评论，Ａ" * 90_910
    start = time.process_time()
    clean, edits = BERT.clean_with_edits(text)
    assert time.process_time() - start < 5.0
    assert clean == text.replace("Ａ", "a") and edits.flat is None


def test_settings_survive_json_and_refuse_what_they_do_not_know() -> None:
    data = json.loads(json.dumps(BERT.settings.to_dict()))
    again = Normalizer(TextSettings.from_dict(data))
    assert again.settings == BERT.settings
    assert again.clean("Ａ“😍”") == BERT.clean("Ａ“😍”")
    with pytest.raises(UserError):
        TextSettings.from_dict({**data, "version": 2})
    with pytest.raises(UserError):
        TextSettings.from_dict({**data, "stemming": True})
    with pytest.raises(UserError):
        TextSettings.from_dict({**data, "masks": {"names": "x"}})


def test_only_what_the_vocabulary_lacks_is_folded() -> None:
    settings = resolve_settings(
        vocabulary=VOCABULARY | {"“", "”"}, lowercase=True, simplify=False, emoji="auto"
    )
    assert "“" not in settings.punctuation and settings.punctuation["…"] == "..."
    assert "😂" not in settings.emoji and settings.emoji["😍"] == " 花痴 "
    assert resolve_settings(vocabulary=None, lowercase=True, simplify=False).emoji == {}
