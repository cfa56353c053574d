"""Four times as much malice takes about four times as long, whatever parser it is for.

A regular expression that goes back over what it has read holds up the whole process.
"""

import contextlib
import time
from collections.abc import Callable

import pytest

from entrypoint.test_target.messages.address import parse_addresses
from entrypoint.test_target.messages.content import read_message
from entrypoint.test_target.messages.content_type import parse_value
from entrypoint.test_target.messages.header import Header, decode_words
from entrypoint.test_target.messages.html import text_of_html
from entrypoint.test_target.messages.links import links_of, loaded_urls
from entrypoint.test_target.messages.list_unsubscribe import list_unsubscribe
from entrypoint.test_target.messages.one_time_codes import codes_of
from entrypoint.test_target.messages.parts import parse_parts
from entrypoint.test_target.search.parse import QueryError, parse_query

PIECES = [
    *"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
    *("a", "1", " ", "\n", "\r", "\t", "\r\n", "\r\n\r\n", "\r\n ", "\0", "\ufffd"),
    *("a ", "a,", "a;", "a=", '="', "='", '\\"', "<a ", "</", "<!", "<!--", "&#", "&a", "@:", "()"),
    *("=?", "?=", "=?utf-8?q?a?= ", "=?utf-7?b?+?=", ";a*0=b", ";a*=x''%", "--b\r\n", "code 1234 "),
    *("http://a", "<a:", "A1", "x=y ", "\r\n--", "a\r\nb:"),
]
LENGTH = 12_000  # characters of the shorter of the two
RATIO = 8
FLOOR = 0.020  # seconds: less is not measured well


def unsubscribe(text: str) -> None:
    list_unsubscribe(Header((("List-Unsubscribe", text),)))


def behind_words(text: str) -> None:
    """As many of the one as of the other."""
    parse_addresses("a " * (len(text) // 2) + text)


def multipart(text: str) -> None:
    for part in parse_parts(text.encode()).walk():
        part.file_name.encode()


def query(text: str) -> None:
    with contextlib.suppress(QueryError):
        parse_query(text)


def html_links(text: str) -> None:
    links_of("", text)
    loaded_urls(text)


NESTED = "".join(
    f"Content-Type: multipart/mixed; boundary=b{number}\r\n\r\n--b{number}\r\n"
    for number in range(50)
)
# What comes before the pieces.
PARSERS: dict[str, tuple[Callable[[str], object], tuple[str, ...]]] = {
    "HTML": (lambda text: text_of_html(text, links=True), ("", "<b ", "<script>", "<b a=", "<!--")),
    "links of HTML": (html_links, ("", "<a href='http://a", "<img src=")),
    "links of texts": (lambda text: links_of(text, ""), ("", "http://a")),
    "addresses": (parse_addresses, ("", '"', "<", "(", "x@y")),
    "addresses behind words": (behind_words, ("", "x@y")),
    "encoded words": (decode_words, ("", "=?", "=?utf-8?q?", "=?utf-8?b?YQ==?=")),
    "content types": (parse_value, ("", "a/b;", 'a/b;x="', "a/b;x*0*=", "a/b;x*=utf-8''")),
    "codes": (codes_of, ("", "code ", "verif", "1234 ")),
    "unsubscribe": (unsubscribe, ("", "<", "(", "<http://a")),
    "multipart": (
        multipart,
        ("", "Content-Type: multipart/mixed; boundary=b\r\n\r\n", NESTED, NESTED + "\r\n"),
    ),
    "messages": (lambda text: read_message(text.encode()), ("", "Content-Type: ", "\r\n")),
    "queries": (query, ("", '"', "subject:", "larger:", "after:")),
}


@pytest.mark.parametrize("name", PARSERS)
def test_parsers_are_linear(name: str) -> None:
    parse, beginnings = PARSERS[name]
    slow = [
        (begin[:20], piece)
        for begin in beginnings
        for piece in PIECES
        if not _is_linear(parse, begin, piece)
    ]
    assert not slow


def _is_linear(parse: Callable[[str], object], begin: str, piece: str) -> bool:
    """Once of three times is enough: others use this machine as well."""
    count = LENGTH // len(piece)
    for _ in range(3):
        long = _seconds(parse, begin + 4 * count * piece)
        if long < RATIO * FLOOR or long < RATIO * _seconds(parse, begin + count * piece):
            return True
    return False


def _seconds(parse: Callable[[str], object], text: str) -> float:
    begin = time.process_time()
    parse(text)
    return time.process_time() - begin
