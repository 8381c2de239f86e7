"""Which script a text is written in."""

from __future__ import annotations

import re

from wenliu.text.traditional import SIMPLIFIED, TRADITIONAL_CHARACTER

_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af]")
_LATIN = re.compile("[A-Za-zＡ-Ｚａ-ｚ\u00c0-\u024f]")
_KANA_HANGUL = re.compile("[\u3041-\u30ff\u31f0-\u31ff\uac00-\ud7af\uff66-\uff9d]")
# Simplified forms that traditional texts use too, as other words or as variants (皇后, 公里, 台北):
# those that OpenCC's s2t leaves alone, and those that stand in traditional encyclopedia articles.
_SHARED = (
    "万丑了于云仆伙余佛俊修借僵克冢冬冲准凌几凶出刮制千升卜占即卷厘只台叶吁吃合吊同后向呆周咤咨咸"
    "咽哄唇喂噪回困埼复夸奸姜娘家局岩岳峰巨布席干并幸庄床庵弦彩征御志念恤愈戚扇才扎托扣折抬抵拐拼"
    "挨挲挽捆捍据搜教斗旋旗既昆暗曲札朱朴杆杯杰松板查栖栗核梁棋棱欲污沄沈沾泄泛注涂涌游溪溯漓灶熏"
    "狸玩璇疴症痴真矩私秋秘糊糖系累群胄胆胡腊致舍芸苔范蒙蓑蔑表谷踊辟逾郁酸采里雇雕面飧"
)
_SIMPLIFIED_CHARACTER = re.compile(
    "[" + "".join(sorted(set(SIMPLIFIED.values()) - set(SIMPLIFIED) - set(_SHARED))) + "]"
)


def script_of(text: str) -> str:
    """``simplified``, ``traditional``, ``latin`` or ``other`` (neither Han nor Latin letters).

    Chinese is told by the characters that only one of the two scripts has; a text without any, or
    with as many of both, counts as simplified. Text with more kana or hangul than Han is other,
    text with no Han character and some Latin letters is latin.
    """
    han = len(_HAN.findall(text))
    if len(_KANA_HANGUL.findall(text)) > han:
        return "other"
    if not han:
        return "latin" if _LATIN.search(text) else "other"
    traditional = len(TRADITIONAL_CHARACTER.findall(text))
    simplified = len(_SIMPLIFIED_CHARACTER.findall(text))
    return "traditional" if traditional > simplified else "simplified"
