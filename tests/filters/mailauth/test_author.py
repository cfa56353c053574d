"""The author of a message, read from hostile From fields (the facts' "author domain")."""

import re
from collections.abc import Callable
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.utils import getaddresses

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from filters.bare_addresses import add_domains
from filters.mailauth.author import UnreadableError, _parsed, _strictly, mailboxes, quoted
from filters.mailauth.message import Message, author, quote_author

READ = [
    (b"alice@example.org", "example.org", ("alice@example.org",)),
    (b"<alice@EXAMPLE.org>", "example.org", ("alice@example.org",)),
    (b'"Doe, A. (x)" <a@example.org>', "example.org", ("a@example.org",)),
    (b"A. Doe <a@example.org>", "example.org", ("a@example.org",)),
    (b"a@example.org (Alice (of (sales)))", "example.org", ("a@example.org",)),
    (b"\r\n\tAlice\r\n <a@example.org>", "example.org", ("a@example.org",)),
    (b'"a@b"@example.org', "example.org", ('"a@b"@example.org',)),
    (b'"alice"@example.org', "example.org", ("alice@example.org",)),
    (b'"a\\"b"@example.org', "example.org", ('"a\\"b"@example.org',)),
    (b"a@example.org, b@Example.Org", "example.org", ("a@example.org", "b@example.org")),
    (b"Team: a@example.org, b@example.org;", "example.org", ("a@example.org", "b@example.org")),
    (b"a@example.org <a@example.org>", "example.org", ("a@example.org",)),
    (b"=?utf-8?q?J=C3=BCrgen?= <j@example.org>", "example.org", ("j@example.org",)),
    ("Jürgen <j@bücher.example>".encode(), "xn--bcher-kva.example", ("j@xn--bcher-kva.example",)),
    (b"J\xfcrgen <j@example.org>", "example.org", ("j@example.org",)),
    (b"Foo, Inc. <a@example.org>", "example.org", ("a@example.org",)),
    (b"Foo: [Bar] <a@(x) example.org>", "example.org", ("a@example.org",)),
    (b"<a..b.@example.org>", "example.org", ('"a..b."@example.org',)),
    ("\u5c71\u3000\u592a <a@example.org>".encode(), "example.org", ("a@example.org",)),
]

# Readers disagree about these, so they belong to nobody.
REFUSED = [
    b"",
    b"undisclosed:;",
    b"Alice",
    b"a@example.org,",
    b"a@example.org,,b@example.org",
    b"a@example.org <m@evil.example>",
    b"<a@example.org> <m@evil.example>",
    b"<a@example.org>, <",
    b"<m@evil.example> a@example.org",
    b"<@example.org,@b.example:m@evil.example>",
    b"a@example.org@evil.example",
    b"a @ example.org",
    b"a@(x)example.org",
    b"a@example.org.",
    b"a@example..org",
    b"a@exa_mple.org",
    b"a@-example.org",
    b"a@example.org\0.evil.example",
    b"a@example.org\r.evil.example",
    b"a@example.org\n.evil.example",
    b"a@example.org\x0b",
    b"a\\@example.org",
    b'"unclosed <a@example.org>',
    b"(unclosed a@example.org",
    b"Team: a@example.org",
    b"Team: a@example.org; m@evil.example",
    b"a: b: c@example.org;",
    b"=?utf-8?q?a=40example.org=00?=@evil.example",
    b"=?utf-8?b?YUBleGFtcGxlLm9yZwA=?= <m@evil.example>",
    "a@stra\u00dfe.example".encode(),
    "a@example\u3002org".encode(),
    b"a@\xff\xfe.example",
]


def read(value: bytes):  # type: ignore[no-untyped-def]
    return author(Message(b"From: " + value + b"\r\nTo: b@example.net\r\n\r\nbody\r\n"))


@pytest.mark.parametrize(("value", "domain", "addresses"), READ)
def test_one_author_domain(value: bytes, domain: str, addresses: tuple[str, ...]) -> None:
    found = read(value)
    assert (found.domain, found.addresses, found.reason) == (domain, addresses, "")
    assert found.well_formed


@pytest.mark.parametrize("value", REFUSED)
def test_nobody_can_answer_for_this(value: bytes) -> None:
    found = read(value)
    assert found.domain is None
    assert found.reason
    assert not found.well_formed


@pytest.mark.parametrize(
    "value", [b"a@example.org, b@example.com", b"G: a@a.example, b@b.example;"]
)
def test_several_domains_are_well_formed_but_nobody(value: bytes) -> None:
    found = read(value)
    assert found.domain is None
    assert found.well_formed
    assert len(found.addresses) == 2


def test_an_address_literal_is_well_formed_but_nobody() -> None:
    found = read(b"a@[192.0.2.1]")
    assert (found.domain, found.well_formed) == (None, True)


@pytest.mark.parametrize(
    "second", [b"From: x@evil.example", b"FROM : x@evil.example", b"From\r\n : x@evil.example"]
)
def test_a_second_from_counts_however_it_is_written(second: bytes) -> None:
    message = Message(second + b"\r\nFrom: a@example.org\r\n\r\n")
    assert author(message).reason == "several From fields"


def test_a_from_with_white_space_before_its_colon_alone_is_refused() -> None:
    assert author(Message(b"From : a@example.org\r\n\r\n")).domain is None


def test_no_from() -> None:
    assert author(Message(b"To: a@example.org\r\n\r\n")).reason == "no From field"


def test_a_long_hostile_field_takes_linear_time() -> None:
    for value in (b"(" * 200_000, b"a," * 100_000, b'"' + b"\\a" * 100_000, b"=?" * 100_000):
        assert read(value).domain is None


PIECES = [*'a@<>,:;"()[\\ \t.', "b.c", "@x.org", "=?utf-8?q?a?=", "=?"]
PIECES += ["\u00e9", "\u00a0", "\udcff"]


@given(st.lists(st.sampled_from(PIECES), max_size=9).map("".join))
@example('"Alice, B." <a@example.org>')
@example(" Alice B. <a@example.org> ")
@example("a.b@example.org")
@example("a@example.org>")
@example("<a@example.org")
def test_the_short_way_to_an_address_reads_what_the_parser_reads(text: str) -> None:
    value = text.encode("utf-8", "surrogateescape")

    def outcome(read: Callable[[], object]) -> object:
        try:
            return read()
        except UnreadableError as error:
            return str(error)

    assert outcome(lambda: mailboxes(value)) == outcome(lambda: _parsed(text))


def test_a_from_field_may_have_a_thousand_authors_and_not_a_million() -> None:
    assert len(read(b",".join([b"a@example.org"] * 1_000)).addresses) == 1_000
    assert read(b",".join([b"a@example.org"] * 10_000)).reason == "a From field that is too long"


@pytest.mark.parametrize("value", [b" " * 60_000, b'"' * 60_000, b"a " * 30_000, b"a." * 30_000])
def test_reading_an_author_takes_linear_time(value: bytes) -> None:
    with pytest.raises(UnreadableError):
        mailboxes(value)


@pytest.mark.parametrize(
    "header",
    [
        b" From: m@bank.example\r\nFrom: a@evil.example\r\n",
        b"From: a@evil.example\r\nSubject: x\nFrom: m@bank.example\r\n",
        b"From: a@evil.example\r\nSubject: x\rFrom : m@bank.example\r\n",
        b"Subject: x\n\tfrom: m@bank.example\r\nFrom: a@evil.example\r\n",
    ],
)
def test_a_from_that_only_some_readers_see_is_one_too_many(header: bytes) -> None:
    assert author(Message(header + b"\r\nbody\r\n")).domain is None


@pytest.mark.parametrize(
    "header",
    [
        b"Subject: x\r\n From: m@bank.example\r\nFrom: a@evil.example\r\n",
        b"Subject: x\rfrom m@bank.example\r\nFrom: a@evil.example\r\n",
        b"X-From: m@bank.example\r\nFrom: a@evil.example\r\n",
    ],
)
def test_and_what_nobody_takes_for_one_is_none(header: bytes) -> None:
    assert author(Message(header + b"\r\nbody\nFrom: m@bank.example\r\n")).domain == "evil.example"


def text_of(value: bytes) -> str:
    return value.replace(b"\r\n", b"").decode("utf-8", "surrogateescape")


# What a name consists of, in fields that are nearly well-formed.
NAME_PIECES = [*PIECES, "x", "ceo", " ", ",", ":", ";", "[y]", "(z)", '"q"', '\\"', "\u3000"]
NAME_PIECES += ["=?utf-8?q?x,_y?=", "=?utf-8?b?eA==?=", "=?utf-8?q?c=40x.org?=", "=?utf-8?q?"]
NAMES = st.lists(st.sampled_from(NAME_PIECES), max_size=7).map("".join)
NAMES |= st.lists(st.sampled_from(NAME_PIECES[len(PIECES) :]), max_size=7).map("".join)
TAILS = st.sampled_from([" <a@x.org>", "<a@x.org>", " <a@ x.org >", "<a.@(c)x.org>", ", b@x.org"])
TAILS |= st.sampled_from([' <"a,b"@x.org>', '<"a\\"b"@x.org>', " <a@x.org> (c)", "<a@x.org>,b"])
FIELDS = st.builds(str.__add__, NAMES, TAILS) | st.builds("{}{}{}".format, NAMES, TAILS, NAMES)


@settings(max_examples=300)
@given(FIELDS)
@example("Foo, Inc. <a@x.org>")
@example('"Foo \\"Bar\\", Inc." <a@x.org>')
@example("x (a\\), b) <a@x.org>")
@example("=?utf-8?q?x,_y?=, z <a@x.org>")
def test_what_is_passed_on_shows_the_author_that_was_read(text: str) -> None:
    """In quotes it reads the same, needs no leniency, and smtpd completes nothing in it."""
    value = text.encode("utf-8", "surrogateescape")
    try:
        found = mailboxes(value)
    except UnreadableError:
        return
    passed_on = quoted(value)
    assert mailboxes(passed_on) == found
    assert _strictly(text_of(passed_on)) == found
    assert quoted(passed_on) is passed_on
    message = Message(b"From:" + passed_on + b"\r\n\r\n")
    completed = add_domains(message, "mail.example.org").named(b"from")[0].value
    assert mailboxes(completed) == found
    if passed_on is not value:
        assert completed == passed_on + b"\r\n"
        assert b"\\" not in passed_on


# The readers that look for nothing but an @.
NAIVE = re.compile(r"@[ \t]*([A-Za-z0-9.-]+)")


def decoded(text: str) -> str:
    try:
        return str(make_header(decode_header(text.encode("ascii", "replace").decode())))
    except (UnicodeError, HeaderParseError):
        return text


@settings(max_examples=300)
@given(FIELDS)
@example("=?utf-8?q?ceo=40bank.example?=, x <a@x.org>")
@example('"ceo@bank.example", x <a@x.org>')
@example("ceo, x <a@x.org>")
def test_a_name_without_its_quotes_never_holds_another_address(text: str) -> None:
    """Whatever reads it, before and after, and whatever is decoded first, sees one domain."""
    value = text.encode("utf-8", "surrogateescape")
    passed_on = quoted(value)
    if passed_on is value or b"\\" in value:
        return
    ((_local, domain),) = mailboxes(value)
    for seen in (text, text_of(passed_on)):
        assert len(NAIVE.findall(seen)) <= 1
        assert decoded(seen).count("@") == 1
    ((_name, address),) = getaddresses([text_of(passed_on)])
    assert address.rpartition("@")[2] == domain


def test_a_message_is_passed_on_with_nothing_changed_but_the_name() -> None:
    header, rest = (
        b"X: y\r\nfrom:\tFoo, Inc.\r\n\t<a@x.org>\r\n",
        b"To: Bar, b@y\r\n\r\nFrom: a, b\r\n",
    )
    clear = quote_author(Message(header + rest))
    assert clear.raw == b'X: y\r\nfrom: "Foo, Inc." <a@x.org>\r\n' + rest
    assert quote_author(clear) is clear


@pytest.mark.parametrize(
    "header",
    [
        b"From: ceo, x <a@evil.example>\r\nFrom: y <b@evil.example>\r\n",
        b"From: ceo, x <a@evil.example>\r\nX: y\nFrom: b@bank.example\r\n",
        b"From: ceo, x <a@evil.example>, <b@bank.example>\r\n",
        b"To: a, b <c@d.example>\r\n",
    ],
)
def test_what_has_no_author_is_left_as_it_is(header: bytes) -> None:
    message = Message(header + b"\r\nbody\r\n")
    assert quote_author(message) is message
    assert author(message).domain is None
