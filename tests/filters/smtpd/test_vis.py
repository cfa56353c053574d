"""What smtpd writes as vis(3) does, with VIS_SAFE and white space."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.smtpd.vis import unvis


def vis(text: bytes) -> bytes:
    """As OpenBSD's vis.c, by the flags that smtpd gives it for a login."""
    written = b""
    for code in text:
        low = code & 0x7F
        if code == 0x5C:
            written += b"\\\\"
        elif 0x20 < code < 0x7F:
            written += bytes([code])
        elif low == 0x20:
            written += b"\\%03o" % code
        else:
            meta = b"M" if code & 0x80 else b""
            control = low < 0x20 or low == 0x7F
            sign, shown = (b"^", low ^ 0x40) if control else (b"-", low)
            written += b"\\" + meta + sign + bytes([shown])
    return written


@given(st.binary())
def test_every_byte_comes_back(text: bytes) -> None:
    assert unvis(vis(text)) == text


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (rb"alice@b\M-C\M-<cher.test", "alice@bücher.test"),
        (rb"ALICE@B\M-C\M^\CHER.TEST", "ALICE@BÜCHER.TEST"),
        (rb"alice@b\M-C\M-<cher.test\040", "alice@bücher.test "),
        (rb"\x\M", r"\x\M"),
        ("bücher".encode(), "bücher"),
    ],
)
def test_as_smtpd_has_written_it(written: bytes, meant: str) -> None:
    assert unvis(written) == meant.encode()
