"""What a person sees in a message, however it is written."""

import base64
import encodings
import time
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrypoint.test_target.messages.address import Address, parse_addresses
from entrypoint.test_target.messages.content import message_date, read_message
from entrypoint.test_target.messages.content_type import parse_value
from entrypoint.test_target.messages.header import (
    canonical_name,
    decode_charset,
    decode_words,
    parse_header,
)
from entrypoint.test_target.messages.html import text_of_html, words_of_html
from entrypoint.test_target.messages.links import MailLink, links_of
from entrypoint.test_target.messages.list_unsubscribe import list_unsubscribe
from entrypoint.test_target.messages.one_time_codes import codes_of
from entrypoint.test_target.messages.parts import MOST_DEPTH, MOST_PARTS, parse_parts


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        *(("message-ID", "Message-Id"), ("DKIM-SIGNATURE", "Dkim-Signature"), ("x", "X")),
        *(("x--y-", "X--Y-"), ("mime-version", "Mime-Version"), ("a b", "a b"), ("ü", "ü")),
    ],
)
def test_names_as_go_writes_them(name: str, canonical: str) -> None:
    assert canonical_name(name) == canonical


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("=?utf-8?q?Gr=C3=BC=C3=9Fe?= all", "Grüße all"),
        ("=?UTF-8?B?4oKs?=", "€"),
        # RFC 2047 §6.2: white space between two of them goes, other white space stays.
        ("=?utf-8?q?a?= =?utf-8?q?b?= c =?utf-8?q?d?=", "ab c d"),
        # Many part a character's bytes between two words, which they must not.
        ("=?utf-8?b?4oI=?= =?utf-8?b?rA==?=", "€"),
        ("=?iso-8859-1*de?q?=FC_=5F?=", "ü _"),
        ("=?koi8-r?b?8NLJ18XU?=", "Привет"),
        ("=?none?q?=E2=82=AC?=", "€"),
        ("=?base64?q?abc?=", "abc"),
        ("=?utf-8?b?%%%?=", ""),
        ("=?utf-8?q?a", "=?utf-8?q?a"),
        (r"C:\users", r"C:\users"),
    ],
)
def test_encoded_words(value: str, text: str) -> None:
    assert decode_words(value) == text


def test_a_header_is_unfolded_and_what_is_no_field_is_passed_over() -> None:
    header = parse_header(b" lost\r\nA: one\r\n\ttwo\r\nno field\r\nB:x\na : y\r\n: z\r\n")
    assert header.fields == (("A", "one two"), ("B", "x"), ("a", "y"))
    assert header.first("b") == "x"
    assert header.by_name() == {"A": ["one two", "y"], "B": ["x"]}


@pytest.mark.parametrize(
    ("value", "addresses"),
    [
        ("a@a.example", [("", "a@a.example")]),
        (
            '"B, \\"B\\"" <b@b.example>, c@c.example',
            [('B, "B"', "b@b.example"), ("", "c@c.example")],
        ),
        ("Group: a@a.example, B <b@b.example>;", [("", "a@a.example"), ("B", "b@b.example")]),
        ("undisclosed-recipients:;", []),
        ("=?utf-8?q?J=C3=BC?= <j@j.example> (comment (nested))", [("Jü", "j@j.example")]),
        ("A <a@a.example", [("A", "a@a.example")]),
        ('"quoted local"@a.example', [("", '"quoted local"@a.example')]),
        ("no address", []),
        ("<>", [("", "")]),
        ("a@a.example;b@b.example", [("", "a@a.example"), ("", "b@b.example")]),
        ("=?utf-8?q?A=2C_B?= <a@a.example>", [("A, B", "a@a.example")]),
    ],
)
def test_addresses(value: str, addresses: list[tuple[str, str]]) -> None:
    assert parse_addresses(value) == [Address(*address) for address in addresses]


def built() -> EmailMessage:
    """Alternatives with a picture, an attachment, an attached message."""
    message = EmailMessage()
    message["Subject"] = "s"
    message.set_content("plain ü")
    message.add_alternative('<p>html <img src="cid:p"></p>', subtype="html")
    html = message.get_payload(1)
    assert isinstance(html, EmailMessage)
    html.add_related(b"GIF", "image", "gif", cid="<p>", filename="p.gif", disposition="inline")
    message.add_attachment(b"\x00\x01", "application", "octet-stream", filename="ä ö.bin")
    attached = EmailMessage()
    attached.set_content("inner")
    message.add_attachment(attached)
    return message


def test_texts_and_parts_are_numbered_as_mailpit_does() -> None:
    content = read_message(built().as_bytes())
    assert content.text.strip() == "plain ü"
    assert content.html.strip() == '<p>html <img src="cid:p"></p>'
    assert [(part.number, part.file_name) for part in content.inline] == [("1.2.2", "p.gif")]
    attached = [(part.number, part.file_name, part.type.word) for part in content.attachments]
    assert attached == [
        ("2", "ä ö.bin", "application/octet-stream"),
        ("3", "", "message/rfc822"),
    ]
    part = content.part("2")
    assert part
    assert part.content == b"\x00\x01"
    assert content.part("7") is None


def test_texts_of_a_mixed_message_come_one_after_the_other() -> None:
    raw = (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n--b\r\n\r\none\r\n--b\r\n"
        b"Content-Type: text/plain\r\n\r\ntwo\r\n--b--\r\nepilogue\r\n"
    )
    assert read_message(raw).text == "one\n--\ntwo"


def test_html_alone_has_a_text() -> None:
    content = read_message(b"Content-Type: text/html\r\n\r\n<p>a</p><a href='x:y'>b</a>")
    assert content.text == "a\nb ( x:y )"


@pytest.mark.parametrize(
    ("header", "body", "text"),
    [
        ("text/plain; charset=iso-8859-1", b"\xfc", "ü"),
        ("text/plain; charset=utf-16", "ü".encode("utf-16"), "ü"),
        ("text/plain; charset=none", b"\xc3\xbc", "ü"),
        ("text/plain; charset=rot13", b"abc", "abc"),
        ("text/plain; charset=none", b"\xfc", "ü"),
        ('text/plain; charset="utf-8', b"\xfc", "\ufffd"),
        ("text/plain", b"\xff\x00", "\ufffd\ufffd"),
        ("nonsense", b"x", "x"),
        ("multipart/mixed", b"--b\r\n\r\nx", ""),
    ],
)
def test_character_sets(header: str, body: bytes, text: str) -> None:
    assert read_message(f"Content-Type: {header}\r\n\r\n".encode() + body).text == text


@pytest.mark.parametrize(
    ("name", "octets", "text"),
    [
        *(("UTF8", b"\xc3\xbc", "ü"), ("utf-8", b"\xc3\xbc", "ü"), ("", b"\xc3\xbc", "ü")),
        *(("unicode-1-1-utf-7", b"+APw-", "ü"), ("UTF-16BE", b"\x00\xfc", "ü")),
        *(("ISO_8859-15", b"\xa4", "€"), ("latin1", b"\xfc", "ü"), ("iso-8859-8-i", b"\xe0", "א")),
        *(("Windows-1252", b"\x80", "€"), ("cp1251", b"\xcf", "П"), ("windows-874", b"\xa1", "ก")),
        *(("KOI8-U", b"\xf0", "П"), ("tis-620", b"\xa1", "ก"), ("macintosh", b"\x8a", "ä")),
        *(("cp437", b"\x84", "ä"), ("ibm850", b"\x84", "ä"), ("cp866", b"\x8f", "П")),
        *(("Big5", b"\xa4\xa4", "中"), ("GB2312", b"\xd6\xd0", "中"), ("x-gbk", b"\xd6\xd0", "中")),
        *(
            ("gb18030", b"\xd6\xd0", "中"),
            ("EUC-JP", b"\xc6\xfc", "日"),
            ("euc-kr", b"\xc7\xd1", "한"),
        ),
        *(("ks_c_5601-1987", b"\xc7\xd1", "한"), ("Shift_JIS", b"\x93\xfa", "日")),
        *(("x-sjis", b"\x93\xfa", "日"), ("iso-2022-jp", b"\x1b$BF|\x1b(B", "日")),
        *(("windows-31j", b"\x93\xfa", "日"), ("iso-2022-kr", b"\x1b$)C\x0eGQ\x0f", "한")),
        *(("punycode", b"tda", "tda"), ("idna", b"xn--tda", "xn--tda"), ("rot13", b"a", "a")),
        *(("unicode_escape", b"\\n", "\\n"), ("x" * 70, b"\xfc", "ü"), ("ü", b"\xfc", "ü")),
    ],
)
def test_names_of_character_sets(name: str, octets: bytes, text: str) -> None:
    assert decode_charset(octets, name) == text


def test_nothing_is_remembered_of_unknown_character_sets() -> None:
    remembered = len(encodings._cache)  # type: ignore[attr-defined]
    for number in range(50):
        name = f"none-{number}"
        assert decode_words(f"=?{name}?q?=C3=BC?=") == "ü"
        assert parse_value(f"a/b; x*={name}''%C3%BC").parameters == {"x": "ü"}
        decode_charset(b"\xff", name)
    assert len(encodings._cache) <= remembered + 3  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("encoding", "body", "content"),
    [
        ("base64", b"aGFs\r\nbG8=", b"hallo"),
        ("BASE64", b"aGFsbG8", b"hallo"),
        ("base64", b"a G F s!", b"hal"),
        ("base64", b"aGFsb", b"hal"),
        ("quoted-printable", b"h=61llo=\r\n!", b"hallo!"),
        ("quoted-printable", b"100% =ZZ", b"100% =ZZ"),
        ("8bit", b"\xff", b"\xff"),
        ("none", b"x", b"x"),
    ],
)
def test_transfer_encodings(encoding: str, body: bytes, content: bytes) -> None:
    raw = b"Content-Transfer-Encoding: " + encoding.encode() + b"\r\n\r\n" + body
    assert parse_parts(raw).content == content


def test_nesting_and_parts_are_bounded() -> None:
    raw = b"x"
    for number in range(MOST_DEPTH + 20):
        boundary = b"b%d" % number
        raw = (
            b"Content-Type: multipart/mixed; boundary="
            + boundary
            + b"\r\n\r\n--"
            + boundary
            + b"\r\n"
            + raw
            + b"\r\n--"
            + boundary
            + b"--\r\n"
        )
    deepest = max(part.number.count(".") for part in parse_parts(raw).walk())
    assert deepest == MOST_DEPTH - 1
    many = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 5000
    assert len(list(parse_parts(many).walk())) == MOST_PARTS


def test_what_is_looked_through_for_boundaries_is_bounded() -> None:
    raw = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (number, number)
        for number in range(MOST_DEPTH)
    )
    *_, deepest = parse_parts(raw + b"\r\n" + b"x" * 1_000_000).walk()
    assert 5 < deepest.number.count(".") < 10
    assert deepest.body.endswith(b"x" * 1_000_000)
    assert deepest.type.word == "multipart/mixed"


HOSTILE = {
    "boundaries": b"Content-Type: multipart/mixed; boundary=a\r\n\r\n" + b"--a\r\n" * 200_000,
    "less-than signs": b"Content-Type: text/html\r\n\r\n" + b"<" * 1_000_000,
    "open tags": b"Content-Type: text/html\r\n\r\n" + b'<a href="' * 100_000,
    "open scripts": b"Content-Type: text/html\r\n\r\n" + b"<script>" * 100_000,
    "open comments": b"Content-Type: text/html\r\n\r\n" + b"<!--" * 200_000,
    "attributes": b"Content-Type: text/html\r\n\r\n<a " + b"x=" * 500_000,
    "fields": b"a:b\r\n" * 200_000,
    "comments": b"From: " + b"(" * 1_000_000,
    "quotes": b"From: " + b'"\\' * 500_000,
    "encoded words": b"Subject: " + b"=?a?q?" * 150_000,
    "spaces": b"Subject: " + b" =?a?q?b?= " * 80_000,
    "parameters": b"Content-Type: text/plain; " + b"a*0=b;" * 100_000,
    "digits": b"Subject: x\r\n\r\n" + b"code 1234 " * 100_000,
    "links": b"Subject: x\r\n\r\n" + b"https://a/((((" * 70_000,
    "unsubscribe": b"List-Unsubscribe: " + b"<(" * 300_000,
    "a long name": b"Content-Type: text/html\r\n\r\n<b " + b"a" * 19_900 + b">",
    "colons": b"From: " + b"a " * 12_000 + b"x@y" + b":" * 24_000,
    "brackets": b"Subject: x\r\n\r\nhttp://a" + b")" * 150_000,
    "quoted semicolons": b"".join(
        (
            b"Content-Type: multipart/mixed; boundary=b\r\n\r\n",
            *(b'--b\r\nContent-Type: a/b;x="' + b";" * 19_900 + b"\r\n\r\n" for _ in range(40)),
        )
    ),
    "nested newlines": b"".join(
        (
            *(
                b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (each, each)
                for each in range(50)
            ),
            b"\r\n" + b"\n" * 5_000_000,
        )
    ),
    "a long boundary": b"".join(
        (
            b"Content-Type: multipart/mixed; boundary=" + b"-" * 15_000,
            b"\r\n\r\n" + b"-" * 1_000_000 + b"\r\n" + b"-" * 15_002 + b"\r\n\r\nx",
        )
    ),
    "punycode": b"Content-Type: text/plain; charset=punycode\r\n\r\n" + b"a" * 500_000,
    "one character set": b"Subject: " + b"=?utf-8?q?%s?= " % (b"a" * 50) * 40_000,
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_megabyte_of_malice_takes_no_longer_than_one_of_mail(case: str) -> None:
    begin = time.process_time()
    content = read_message(HOSTILE[case])
    content.addresses("From")
    content.header.text("Subject")
    links_of(content.text, content.html)
    codes_of(content.text)
    list_unsubscribe(content.header)
    message_date(content.header)
    words_of_html(content.html, links=True)
    assert time.process_time() - begin < 2


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=300),
        st.lists(
            st.sampled_from(
                [
                    *(
                        b"Content-Type: multipart/mixed; boundary=b\r\n",
                        b"\r\n",
                        b"--b\r\n",
                        b"--b--",
                    ),
                    *(
                        b"Content-Transfer-Encoding: base64\r\n",
                        b"=?utf-8?b?",
                        b"?=",
                        b"\xff",
                        b"=",
                    ),
                    *(b"From: ", b"<a@b>", b",", b'"', b"Date: Sun, 99 Mar 20260 1:1:1 +9999\r\n"),
                    *(
                        b"Content-Type: text/html; charset=x*y\r\n",
                        b"<p a='",
                        b"&#x110000;",
                        b"\x00",
                    ),
                    *(b"Content-Disposition: attachment; filename*0*=utf-8''%C3%", b"; x*=1\r\n"),
                ]
            ),
            max_size=12,
        ).map(b"".join),
    )
)
def test_no_bytes_raise(raw: bytes) -> None:
    content = read_message(raw)
    for part in (*content.inline, *content.attachments):
        assert isinstance(part.content, bytes)
        part.file_name.encode()
    (content.text + content.html + "".join(content.header.text("From"))).encode()
    content.addresses("From")
    links_of(content.text, content.html)
    codes_of(content.text)
    date = message_date(content.header)
    assert date is None or date.tzinfo


def test_html_as_text() -> None:
    html = (
        "<head><title>no</title><style>p{}</style></head><!-- no --><p>Hello&nbsp;<b>wor</b>ld,</p>"
        "<script>no()</script>a &lt; b<br>c <a href='https://x.example/?a=1&amp;b'>here</a> < 5"
    )
    assert text_of_html(html, links=False) == "Hello world,\na < b\nc here < 5"
    assert "here ( https://x.example/?a=1&b )" in words_of_html(html, links=True)


def test_links_of_html_have_their_words_and_texts_lose_punctuation() -> None:
    html = "<a href=' https://x.example/a '>One <i>two</i></a><a href='javascript:x'>no</a>"
    text = "see https://x.example/a, (https://y.example/b_(c)) and HTTP://z.example/?q=1."
    assert links_of(text, html) == [
        MailLink("https://x.example/a", "One two"),
        MailLink("https://y.example/b_(c)", ""),
        MailLink("HTTP://z.example/?q=1", ""),
    ]


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Your verification code is 482913.", ["482913"]),
        ("482913 is your code", ["482913"]),
        ("Code:\n\n  123 456\n", ["123456"]),
        ("Ihr Bestätigungscode: 4711", ["4711"]),
        ("Ваш код: 123456", ["123456"]),
        ("G-123456 is your Google verification code", ["G-123456"]),
        ("PIN AB12CD", ["AB12CD"]),
        ("Order 123456 of 2026-03-01, total 1234.50 €", []),
        ("code https://x.example/123456 user123456 123456@x.example #123456", []),
        ("Code 111111, in " + "x " * 100 + "222222", ["111111"]),
        ("1234567890 is no code", []),
        ("Your code is 2468. Sent in 2026.", ["2468", "2026"]),
    ],
)
def test_one_time_codes(text: str, codes: list[str]) -> None:
    assert codes_of(text) == codes


@pytest.mark.parametrize(
    ("field", "links", "error"),
    [
        ("<https://x.example/u>", ["https://x.example/u"], ""),
        (
            "<mailto:u@x.example> , <HTTP://x.example/u>",
            ["mailto:u@x.example", "HTTP://x.example/u"],
            "",
        ),
        ("(why) <https://x.example/u>", ["https://x.example/u"], ""),
        ("https://x.example/u", [], "no valid unsubscribe links"),
        ("<https://x.example/u> x", [], "enclosed in <>"),
        ("<https://x.example/u><mailto:u@x.example>", [], "split with a comma"),
        ("<https://x.example/ u>", [], "should not contain spaces"),
        ("<ftp://x.example/>", [], "should start with either"),
        ("<https://a.example>,<https://b.example>", ["https://a.example"], "only contain one HTTP"),
        ("<a:b>,<a:b>,<a:b>", [], "a maximum of one email"),
    ],
)
def test_list_unsubscribe(field: str, links: list[str], error: str) -> None:
    found = list_unsubscribe(parse_header(f"List-Unsubscribe: {field}".encode()))
    assert list(found.links) == links
    assert (error in found.errors) if error else not found.errors


def test_a_large_attachment_is_quick() -> None:
    body = base64.encodebytes(bytes(8_000_000)).replace(b"\n", b"\r\n")
    raw = (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\n"
        b"Content-Type: application/pdf\r\nContent-Disposition: attachment; filename=a\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + body + b"--b--\r\n"
    )
    begin = time.process_time()
    content = read_message(raw)
    assert len(content.attachments[0].content) == 8_000_000
    assert time.process_time() - begin < 2
