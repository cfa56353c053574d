"""The spellings of a domain that Dovecot is given: each is the domain, and no other is."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from entrypoint.accounts.login_spellings import spellings
from filters.login_name import login_name


@pytest.mark.parametrize(
    ("domain", "written"),
    [
        ("example.org", ()),
        ("xn--bcher-kva.example", ("bücher.example", "bÜcher.example")),
        ("xn--strae-oqa.example", ("straße.example", "straẞe.example")),
        ("xn--n3h.example", ("☃.example",)),
        ("xn--.example", ()),
        ("xn--99999999.example", ()),
        # Dovecot takes a colon for the end of a name.
        ("xn--a:b-uma.example", ()),
    ],
)
def test_spellings(domain: str, written: tuple[str, ...]) -> None:
    assert spellings(domain) == written


def test_every_case_of_a_short_name_and_two_of_a_long_one() -> None:
    assert len(spellings("xn--e1afmkfd.xn--p1ai")) == 256  # пример.рф
    long = "испытание.рф".encode("idna").decode()
    assert spellings(long) == ("испытание.рф", "ИСПЫТАНИЕ.РФ")


@given(st.text(st.characters(min_codepoint=0x80, codec="utf-8"), min_size=1, max_size=5))
@example("\x85\u2028ü")
def test_each_means_the_domain_and_is_one_word(text: str) -> None:
    """Whatever an A-label in DOMAINS decodes to."""
    domain = "xn--" + text.lower().encode("punycode").decode() + ".example"
    for each in spellings(domain):
        assert login_name(f"alice@{each}") == f"alice@{domain}"
        assert not any(unicodedata.category(char) in {"Cc", "Zl", "Zp", "Zs"} for char in each)
        assert ":" not in each
