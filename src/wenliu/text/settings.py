"""The resolved rules of cleaning: what ``text.json`` of a bundle holds.

Resolving looks at the checkpoint's vocabulary once; afterwards everything is written out, so that
training, batch inference, the command line and a server clean alike without the checkpoint.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from wenliu.errors import UserError
from wenliu.text.emoji_words import MODIFIERS, emoji_words

VERSION = 1

#: What a masked stretch becomes: words that every Chinese vocabulary can spell.
MASKS = {
    "urls": "链接",
    "emails": "邮箱",
    "mentions": "@用户",
    "phones": "电话",
    "id_numbers": "证件",
}

#: Punctuation that vocabularies lack, and what stands for it, the best form first. Google's
#: Chinese vocabulary lacks the quotes, the ellipsis and the dashes of Chinese typesetting.
PUNCTUATION = {
    "“": ('"', "「", "'"),
    "”": ('"', "」", "'"),
    **dict.fromkeys("„‟〝〞〟＂″‶", ('"',)),
    **dict.fromkeys("‘’‚‛＇`´′‵｀", ("'", '"')),
    "…": ("...", "。"),
    "⋯": ("...",),
    "‥": ("..",),
    "︰": ("：", ":"),
    **dict.fromkeys("—―–‐‑‒⸺⁃−－➖﹣", ("-", "－", "一")),
    **dict.fromkeys("～〜∼˜", ("~", "～")),
    **dict.fromkeys("•‧・･∙⋅", ("·", "。")),
    **dict.fromkeys("「『｢﹁﹃", ("“", '"')),
    **dict.fromkeys("」』｣﹂﹄", ("”", '"')),
    **dict.fromkeys("〖【〔［", ("[",)),
    **dict.fromkeys("〗】〕］", ("]",)),
    "＿": ("_",),
    "￣": ("ˉ", "-"),
    "¯": ("ˉ", "-"),
    "ˉ": ("¯", "-"),
    "￥": ("¥",),
    "¥": ("￥",),
    "￡": ("£",),
    "≠": ("!=",),
    "｡": ("。",),
    "､": ("、",),
    "．": (".",),
    "％": ("%",),
    "＠": ("@",),
    "＃": ("#",),
    "＆": ("&",),
    "＊": ("*",),
    "＋": ("+",),
    "／": ("/",),
    "＜": ("<",),
    "＝": ("=",),
    "＞": (">",),
    "＼": ("\\",),
    "＾": ("^",),
    "｛": ("{",),
    "｜": ("|",),
    "｝": ("}",),
    "＄": ("$",),
}
#: Folded for a vocabulary that is still to be made: signs that mean the same as their plain form.
#: Brackets, book titles and the middle dot are left: they are distinct and common in Chinese.
SCRATCH_KEEPS = frozenset("「」『』｢｣﹁﹂﹃﹄〖〗【】〔〕￥¥≠ˉ～")


@dataclass(frozen=True)
class TextSettings:
    """The rules as they are applied, in JSON or in memory.

    Attributes:
        invisible: Drop what cannot be seen.
        fullwidth: Full-width letters, digits and blanks become half-width.
        html: Drop tags and comments, unescape entities.
        masks: Rule (``urls``, …) to what a match becomes; a rule that is absent is off.
        simplify: Traditional to simplified; the only rule that needs a package (OpenCC).
        punctuation: Character to its replacement.
        lowercase: Lower-case letters.
        emoji: Emoji, without variation selectors, to its replacement.
        repeats: Longest run of one character; 0 leaves all.
        whitespace: Runs become one space, ends are stripped.
    """

    invisible: bool = True
    fullwidth: bool = True
    html: bool = True
    masks: Mapping[str, str] = field(default_factory=lambda: dict(MASKS))
    simplify: bool = False
    punctuation: Mapping[str, str] = field(default_factory=dict)
    lowercase: bool = True
    emoji: Mapping[str, str] = field(default_factory=dict)
    repeats: int = 3
    whitespace: bool = True
    version: int = VERSION

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TextSettings:
        """Reads what :meth:`to_dict` wrote.

        Raises:
            UserError: Another version, or a key that this version does not know or misses.
        """
        known = {item.name for item in fields(cls)}
        if data.get("version") != VERSION or set(data) != known:
            odd = sorted(set(data) ^ known)
            raise UserError(
                f"These text settings have version {data.get('version')!r} and differ in {odd}.",
                where="text settings (text.json of a bundle)",
                remedy=f"Use a bundle that was exported with text settings of version {VERSION}.",
            )
        settings = cls(**data)
        unknown = sorted(set(settings.masks) - set(MASKS))
        if unknown:
            raise UserError(f"There are no such masks: {unknown}.", where="text settings")
        return settings

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        return asdict(self)


def fold_punctuation(vocabulary: Collection[str] | None) -> dict[str, str]:
    """What becomes of punctuation that a vocabulary lacks.

    Args:
        vocabulary: Tokens of the checkpoint; None for one that is still to be made.

    Returns:
        Character to replacement, for those that are lacking and have a form that is not.
    """
    if vocabulary is None:
        return {sign: forms[0] for sign, forms in PUNCTUATION.items() if sign not in SCRATCH_KEEPS}
    folds = {}
    for sign, forms in PUNCTUATION.items():
        if sign not in vocabulary:
            fit = [form for form in forms if all(char in vocabulary for char in form)]
            if fit:
                folds[sign] = fit[0]
    return folds


def resolve_settings(
    *,
    vocabulary: Collection[str] | None,
    lowercase: bool,
    simplify: bool,
    fold: bool = True,
    emoji: str = "auto",
    masking: Mapping[str, str] | None = None,
    invisible: bool = True,
    fullwidth: bool = True,
    html: bool = True,
    repeats: int = 3,
    whitespace: bool = True,
) -> TextSettings:
    """Writes out what the rules do for one vocabulary.

    Args:
        vocabulary: Tokens of the checkpoint; None for one that is still to be made.
        lowercase: Whether letters are lower-cased.
        simplify: Whether traditional characters become simplified ones.
        fold: Whether punctuation that the vocabulary lacks is folded.
        emoji: ``auto`` (words for those the vocabulary lacks), ``keep``, ``words``, ``drop``.
        masking: Rule of ``MASKS`` to ``mask``, ``drop`` or ``keep``; masked where absent.
        invisible: As in :class:`TextSettings`, like the rest.
        fullwidth: See there.
        html: See there.
        repeats: See there.
        whitespace: See there.
    """
    chosen = {name: (masking or {}).get(name, "mask") for name in MASKS}
    return TextSettings(
        invisible=invisible,
        fullwidth=fullwidth,
        html=html,
        masks={
            name: MASKS[name] if how == "mask" else ""
            for name, how in chosen.items()
            if how != "keep"
        },
        simplify=simplify,
        punctuation=fold_punctuation(vocabulary) if fold else {},
        lowercase=lowercase,
        emoji=_emoji_map(emoji, vocabulary, lowercase),
        repeats=repeats,
        whitespace=whitespace,
    )


def _emoji_map(how: str, vocabulary: Collection[str] | None, lowercase: bool) -> dict[str, str]:
    if how == "keep" or (how == "auto" and vocabulary is None):
        return {}
    words = emoji_words()
    if how == "drop":
        return dict.fromkeys(words, "")
    # Blanks around, so that words do not run into their neighbours; BERT does not see them.
    folded = {
        sign: f" {word.lower() if lowercase else word} " if word else ""
        for sign, word in words.items()
    }
    if how == "words" or vocabulary is None:
        return folded
    for sign in words:
        if sign in vocabulary:
            # A run of emoji is one word to BERT: without the continuation it would be [UNK].
            folded[sign] = sign if f"##{sign}" in vocabulary else f" {sign} "
    # A skin tone sticks to its emoji: no vocabulary has both as one word.
    folded.update(dict.fromkeys(MODIFIERS, ""))
    return {sign: word for sign, word in folded.items() if sign != word}
