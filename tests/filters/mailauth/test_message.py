"""The spans of header fields: every byte belongs to one, and deleting leaves the others."""

from hypothesis import given
from hypothesis import strategies as st

from filters.mailauth.message import Message, remove

pieces = st.lists(
    st.sampled_from(
        [b"\r\n", b"\r", b" ", b"\t", b":", b"From", b"x", b"\xff", b"\0", b"a: b\r\n", b"\r\n\r\n"]
    ),
    max_size=30,
).map(b"".join)


def test_fields_body_and_spans() -> None:
    raw = b"A: 1\r\n 2\r\nb :\t\xff\r\n junk\r\nnone\r\n\r\nbody\r\n\r\n"
    message = Message(raw)
    assert [(field.name, field.key, field.value) for field in message.fields] == [
        (b"A", b"a", b" 1\r\n 2\r\n"),
        (b"b ", b"b", b"\t\xff\r\n junk\r\n"),
        (b"none\r\n", b"", b""),
    ]
    assert message.body == b"body\r\n\r\n"
    assert [raw[field.start : field.end] for field in message.fields] == [
        field.raw for field in message.fields
    ]


def test_a_message_without_header_or_without_body() -> None:
    assert Message(b"\r\nA: 1\r\n").fields == ()
    assert Message(b"\r\nA: 1\r\n").body == b"A: 1\r\n"
    assert Message(b"A: 1\r\n").body == b""
    assert Message(b"").fields == ()


@given(pieces)
def test_spans_cover_the_whole_header_section(raw: bytes) -> None:
    message = Message(raw)
    header = b"".join(field.raw for field in message.fields)
    assert raw.startswith(header)
    assert raw[len(header) :] in (message.body, b"\r\n" + message.body)


@given(pieces, st.data())
def test_removing_fields_leaves_every_other_byte(raw: bytes, data: st.DataObject) -> None:
    fields = Message(raw).fields
    chosen = [field for field in fields if data.draw(st.booleans())]
    kept = b"".join(field.raw for field in fields if field not in chosen)
    end = fields[-1].end if fields else 0
    assert remove(raw, reversed(chosen)) == kept + raw[end:]
