"""Domain names as mail authentication accepts them: LDH labels, lower-case A-labels.

IDNA 2003 (RFC 3490), IDNA 2008 (RFC 5891) and UTS #46, transitional or not, can make different
domains of one name in U-labels. Who reads it by another version than its writer did would take
one domain for another, so a name that they disagree about is nobody's in a message (`a_label`), and
whoever configures it is shown the readings (`readings`). An A-label is the name that DNS has, and
is never turned back into a U-label to decide anything.
It must not know DNS, messages or any of the protocols.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Callable, Mapping

# RFC 5890 §2.3.1; no underscore: neither an author domain nor d= may hold one.
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
# What names of records consist of in use, whatever stands first or last in them.
_RECORD_LABEL = re.compile(r"[a-z0-9_-]{1,63}")
_LONGEST, _LONGEST_LABEL = 253, 63
_OTHER_DOTS = re.compile("[\u3002\uff0e\uff61]")  # RFC 3490 §3.1 (1)
_WIDTHS = ("<wide>", "<narrow>")
_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})


def ldh(text: str) -> str | None:
    """Return the lower-case domain if every label is an LDH label, else None."""
    return _ldh(text) if 0 < len(text) <= _LONGEST and text.isascii() else None


@functools.lru_cache(maxsize=2048)  # a message names the same few domains again and again
def _ldh(text: str) -> str | None:
    lower = text.lower()
    return lower if all(_LABEL.fullmatch(label) for label in lower.split(".")) else None


def record_name(text: str) -> str | None:
    """Return the lower-case name if it can be part of a record's, as a selector is, else None.

    RFC 6376 §3.1 wants LDH labels; senders publish others, and DNS has them.
    """
    if not 0 < len(text) <= _LONGEST or not text.isascii():
        return None
    lower = text.lower()
    return lower if all(_RECORD_LABEL.fullmatch(label) for label in lower.split(".")) else None


def may_align(author: str, sender: str) -> bool:
    """Say whether DMARC may take the two domains for one organization's (RFC 9989 §4.10).

    Which they are says DNS; its domains share their last two labels at least.
    """
    return author.lower().split(".")[-2:] == sender.lower().split(".")[-2:]


def a_label(text: str) -> str | None:
    """Return the domain in A-labels that every version of IDNA makes of the text, or None."""
    if text.isascii():
        return ldh(text)
    found = {domain for _version, domain in _read(text)}
    return ldh(found.pop() or "") if len(found) == 1 and _is_old(text) else None


def readings(text: str) -> Mapping[str, str]:
    """Return every domain that a version of IDNA makes of the text, and which one does.

    IDNA 2008's comes first. ASCII labels are as they were, in lower case, and need not be LDH.
    """
    if text.isascii():
        return {text.lower(): "ASCII"}
    read = dict(_read(text))
    if read["IDNA 2008"] is None and read["IDNA 2003"] is None:
        return {}  # UTS #46 is asked only how it maps, not what it takes for valid
    found: dict[str, str] = {}
    for version, domain in read.items():
        if domain is not None:
            found.setdefault(domain, version)
    return found


@functools.lru_cache(maxsize=512)
def _read(text: str) -> tuple[tuple[str, str | None], ...]:
    return tuple((version, _by(mapping, text)) for version, mapping in _VERSIONS)


def _by(mapping: Callable[[str], str], text: str) -> str | None:
    """Read the U-labels; ASCII labels are the same in every version."""
    labels: list[str] = []
    left = _LONGEST
    try:
        for label in text.split("."):
            # Long input is refused before it is read: that work is not linear.
            left -= len(label) + bool(labels)
            if left < 0 or (len(label) > _LONGEST_LABEL and not label.isascii()):
                return None
            name = label.lower() if label.isascii() else _encoded(mapping(label))
            if name is None:
                return None
            left -= len(name) - len(label)
            labels.append(name)
        if mapping is _idna2008:
            _check_bidi_domain(text, labels)
    except ValueError:  # UnicodeError and idna's errors are among it
        return None
    return ".".join(labels) if left >= 0 else None


@functools.lru_cache(maxsize=512)  # most versions mostly agree
def _encoded(name: str) -> str | None:
    return ldh(
        ".".join(
            label if label.isascii() else "xn--" + label.encode("punycode").decode("ascii")
            for label in name.split(".")
        )
    )


# -- how each version maps one label ---------------------------------------------------------------


def _idna2008(label: str) -> str:
    import idna  # 10 ms, and most programs never meet a U-label

    mapped = _mapped(label)
    if mapped.isascii():
        return idna.ulabel(mapped) and mapped
    idna.check_label(mapped)
    return mapped


def _mapped(label: str) -> str:
    """Map as RFC 5895 §2 does, but for its (4): no other dot separates labels (RFC 5891 §4.2)."""
    wide = "".join(map(_width, label.lower()))
    return unicodedata.normalize("NFC", wide)


def _width(char: str) -> str:
    kind, *codes = unicodedata.decomposition(char).split() or [""]
    return "".join(chr(int(code, 16)) for code in codes) if kind in _WIDTHS else char


def _check_bidi_domain(text: str, labels: list[str]) -> None:
    """RFC 5893 §2: where one label is written from right to left, the rule is for all of them."""
    if any(unicodedata.bidirectional(char) in _RIGHT_TO_LEFT for char in text):
        import idna

        for label in labels:
            idna.check_bidi(label, check_ltr=True)


def _idna2003(label: str) -> str:
    from encodings.idna import nameprep

    return ".".join(map(nameprep, _OTHER_DOTS.split(label)))


def _uts46(label: str) -> str:
    import idna

    return idna.uts46_remap(label)


def _is_old(text: str) -> bool:
    """Say whether IDNA 2003 knows all of the characters (RFC 3490 §4, step 2: Unicode 3.2).

    Of those that it does not know, readers guess by the Unicode that they happen to have: how
    their capitals are mapped, and how they compose.
    """
    import stringprep

    return not any(stringprep.in_table_a1(char) for char in {*text, *_mapped(text)})


# IDNA 2008 decides where one has to. Transitional processing by UTS #46 differs from the other in
# what it does as IDNA 2003 does it (ß, ς, ZWJ and ZWNJ, its §6), so it needs no reading of its own.
_VERSIONS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("IDNA 2008", _idna2008),
    ("IDNA 2003", _idna2003),
    ("UTS #46", _uts46),
)
