"""The rule for what is left of HTML: real tags, comments and entities.

What merely stands in angle brackets is kept: Chinese text writes titles as <红楼> too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from html.entities import html5

from wenliu.text.edits import Replacement, Stretch, apply_replacements, compose, stretches_of
from wenliu.text.rules import Rule

_INLINE = "a abbr b bdi bdo big cite code del dfn em font i ins kbd mark o:p q s samp small span"
_INLINE += " strike strong sub sup tt u var wbr nobr"
_BLOCK = "address article aside audio blockquote body br button canvas caption center col colgroup"
_BLOCK += " dd div dl dt embed fieldset figcaption figure footer form frame frameset h1 h2 h3 h4 h5"
_BLOCK += " h6 head header hr html iframe img input label legend li link main map meta nav noscript"
_BLOCK += " object ol optgroup option p param picture pre script section select source style table"
_BLOCK += " tbody td textarea tfoot th thead title tr ul video"
_BLOCKS = frozenset(_BLOCK.split())
_NAMES = "|".join(sorted(_INLINE.split() + _BLOCK.split(), key=len, reverse=True))

_MARK = re.compile(
    rf"<(?=[a-z/!])(?:!--|!doctype\b[^<>]*>|/?(?P<name>{_NAMES})(?P<rest>[\s/][^<>]*)?>)",
    re.IGNORECASE,
)
_ENDS = {
    "script": re.compile(r"</script[^<>]*>", re.IGNORECASE),
    "style": re.compile(r"</style[^<>]*>", re.IGNORECASE),
}
_ENTITY = re.compile(
    r"&(?:#[0-9]{1,7};|#x[0-9a-f]{1,6};|[a-z][a-z0-9]{1,31};|nbsp(?![a-z0-9]))", re.IGNORECASE
)


class Html(Rule):
    """Drops tags and comments, unescapes entities; block tags leave a space."""

    name, signs, deletes = "html", "<&", True

    def __init__(self, refine: Callable[[str], str]) -> None:
        """Makes the rule.

        Args:
            refine: What the rules before this one make of a character: ``&#8203;`` and
                ``&#xFF21;`` must not bring back what they removed.
        """
        self._refine = refine

    def find(self, text: str) -> list[Replacement]:
        """Entities (twice, for ``&amp;lt;``), then the tags that stand there."""
        if "&" not in text:
            return _tags(text) if "<" in text else []
        stretches: list[Stretch] = []
        current = text
        for step in (self._entities, self._entities, _tags):
            found = step(current)
            if found:
                stretches = compose(stretches, stretches_of(found))
                current = apply_replacements(current, found)
        return [(old, old_end, current[new:end]) for new, end, old, old_end in stretches]

    def _entities(self, text: str) -> list[Replacement]:
        return [
            (match.start(), match.end(), new)
            for match in _ENTITY.finditer(text)
            if (new := self._unescaped(match[0])) != match[0]
        ]

    def _unescaped(self, entity: str) -> str:
        if entity[1] == "#":
            return self._refine(unescape(entity))
        name = entity[1:].removesuffix(";") + ";"
        # `&NBSP;` too: the case of a text must not decide what is left of it.
        return self._refine(html5.get(name) or html5.get(name.lower()) or entity)


def _tags(text: str) -> list[Replacement]:
    found: list[Replacement] = []
    done = 0
    without_end = set()  # asked once each: asking at every start would be quadratic
    for match in _MARK.finditer(text):
        start, end = match.span()
        if start < done:
            continue
        name = (match["name"] or "").lower()
        if match[0] == "<!--":
            close = -1 if name in without_end else text.find("-->", end)
            if close < 0:
                without_end.add(name)
                continue
            end = close + 3
        elif name in _ENDS and text[start + 1] != "/" and name not in without_end:
            closing = _ENDS[name].search(text, end)
            if closing:
                end = closing.end()
            else:
                without_end.add(name)
        elif not _is_tag(match["rest"]):
            continue
        found.append((start, end, " " if name in _BLOCKS else ""))
        done = end
    return found


def _is_tag(rest: str | None) -> bool:
    """Whether what follows a tag's name are attributes: ``x<b and c>y`` is no tag."""
    return rest is None or "=" in rest or not rest.replace("/", "").strip()
