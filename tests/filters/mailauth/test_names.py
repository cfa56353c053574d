"""Names in U-labels: what is read as a domain is that by every version of IDNA.

The oracles are the standard library's codec (IDNA 2003), idna's `encode` (IDNA 2008 as UTS #46
maps it) and a transitional reading by hand. Whole messages are in the cases `dmarc-idna-…`.
"""

import re
import unicodedata

import idna
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from filters.mailauth.names import a_label, ldh, readings

LDH = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")

# What versions disagree about, what folds, joins or turns around, and plain letters.
ODD = "ßẞςΣσ\u200c\u200d\u00ad\u3002\uff0e\uff61.-üÜ\u0308İıſKÅﬁǆ⒈ＢａＺ１☃א1٢\u0915\u094d\u0378ꮳᏣႠ"  # noqa: RUF001
texts = st.text(
    st.one_of(
        st.sampled_from(ODD),
        st.sampled_from("abcxn-."),
        st.characters(min_codepoint=0x80, max_codepoint=0x2FFF),
        st.characters(),
    ),
    max_size=24,
)
domains = st.one_of(texts, texts.map(lambda text: f"{text}.example"))


def by_codec(text: str) -> str | None:
    try:
        return text.encode("idna").decode("ascii").lower()
    except UnicodeError:
        return None


def by_idna(text: str) -> str:
    return idna.encode(text, uts46=True).decode("ascii")


def by_transitional(text: str) -> str:
    for written, mapped in {"ẞ": "ss", "ß": "ss", "ς": "σ", "\u200c": "", "\u200d": ""}.items():  # noqa: RUF001
        text = text.replace(written, mapped)
    return by_idna(text)


def u_labels(text: str) -> str:
    """The labels that are read: what is ASCII is taken as DNS has it."""
    return ".".join(label for label in text.split(".") if not label.isascii())


@given(domains)
@example("groẞ.de")
@example("GROẞ.DE")
@example("ΟΔΟΣ.example")
@example("exa。mple.org")
@example("⒈example.org")
@example("Bücher.example")
@example("ｂａｎｋ.example")  # noqa: RUF001
def test_what_is_read_is_one_domain_to_every_version(text: str) -> None:
    found = a_label(text)
    if found is None:
        return
    assert LDH.fullmatch(found)
    assert len(found) <= 253
    assert a_label(found) == found
    assert list(readings(text)) == [found]
    if u_labels(text):
        part = u_labels(text)
        ours = a_label(part)
        assert ours is not None
        assert ours == by_codec(part) == by_idna(part) == by_transitional(part)
        assert unicodedata.normalize("NFC", part).count(".") == ours.count(".")


@given(domains)
def test_idna_2003_is_what_the_standard_library_makes_of_it(text: str) -> None:
    """As settings were read before: whatever it makes of a name can still be written."""
    if text.isascii() or not ldh(by_codec(text) or ""):
        return
    labels = [label if label.isascii() else by_codec(label) for label in text.split(".")]
    assert ".".join(str(label) for label in labels).lower() in readings(text)


@given(st.from_regex(LDH, fullmatch=True))
def test_an_a_label_is_as_dns_has_it(text: str) -> None:
    assert a_label(text.upper()) == ldh(text) == (text if len(text) <= 253 else None)
    assert a_label(f"xn--{text[:40]}") == ldh(f"xn--{text[:40]}")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("groß.de", {"xn--gro-7ka.de": "IDNA 2008", "gross.de": "IDNA 2003"}),
        ("GROẞ.DE", {"xn--gro-7ka.de": "IDNA 2008", "gross.de": "IDNA 2003"}),
        ("ΟΔΟΣ.gr", {"xn--pxavbm.gr": "IDNA 2008", "xn--pxavbq.gr": "IDNA 2003"}),
        ("Ꮳ.test", {"xn--h19a.test": "IDNA 2003", "xn--2be.test": "UTS #46"}),
        ("☃.test", {"xn--n3h.test": "IDNA 2003"}),
        ("my_host.bücher.de", {"my_host.xn--bcher-kva.de": "IDNA 2008"}),
        ("אabc.test", {}),
        ("ü" * 60 + ".test", {}),
        ("\udc80ü.test", {}),
        ("ü" * 100_000, {}),
        ("ü." * 100_000, {}),
    ],
)
def test_readings(text: str, found: dict[str, str]) -> None:
    assert readings(text) == found
    assert list(readings(text)) == list(found)
