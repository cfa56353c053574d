"""What is a tag list and what is none (RFC 6376 §3.2)."""

import pytest

from filters.mailauth.tags import TagListError, parse


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"", {}),
        (b" ; ", None),
        (b"a=b", {"a": b"b"}),
        (b" a = b c ;\r\n\tb2_=;", {"a": b"b c", "b2_": b""}),
        (b"a=x=y", {"a": b"x=y"}),
        (b"a=\xc3\xa9", {"a": b"\xc3\xa9"}),
        (b"a=b\r\n c", {"a": b"b\r\n c"}),
        (b"a=1;;b=2", None),
        (b"a=1;a=2", None),
        (b"1a=1", None),
        (b"a", None),
        (b"a=\x00", None),
        (b"a=\x0b", None),
        (b"a=\x7f", None),
        (b"a=\rb", None),
        (b"a=\nb", None),
        (b"a=\rb\nc", None),
        (b"a=\r\r\n\nb", None),
    ],
)
def test_tag_lists(text: bytes, found: dict[str, bytes] | None) -> None:
    if found is None:
        with pytest.raises(TagListError):
            parse(text)
    else:
        assert parse(text) == found
