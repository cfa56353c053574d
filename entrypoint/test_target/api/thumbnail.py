"""A picture to stand for one that cannot be made smaller here: 180 by 120, grey."""

from __future__ import annotations

import struct

WIDTH, HEIGHT = 180, 120  # as Mailpit's


def blank_jpeg() -> bytes:
    """ITU-T T.81, baseline, one component. Every block of it differs from nothing by nothing."""
    blocks = -(-WIDTH // 8) * -(-HEIGHT // 8)
    # Each block is a bit 0 (no difference) and a bit 0 (end of block); ones fill the last byte.
    bits = 2 * blocks
    data = bytes(bits // 8) + (bytes([0xFF >> bits % 8]) if bits % 8 else b"")
    table = bytes([1]) + bytes(15) + b"\0"  # one code of one bit, and it means 0
    return b"".join(
        (
            b"\xff\xd8",
            _segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0"),
            _segment(0xDB, b"\0" + b"\1" * 64),
            _segment(0xC0, struct.pack(">BHHBBBB", 8, HEIGHT, WIDTH, 1, 1, 0x11, 0)),
            _segment(0xC4, b"\x00" + table),
            _segment(0xC4, b"\x10" + table),
            _segment(0xDA, b"\1\1\0\0\x3f\0"),
            data,
            b"\xff\xd9",
        )
    )


def _segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content
