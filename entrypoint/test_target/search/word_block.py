"""Which messages have a word that holds some text: a thousand messages at a time.

Without white space in it, a text is part of another exactly if it is part of one of the other's
words. A thousand messages have far fewer different words than words, so it is these that are looked
through: those that several messages have stand once, the others behind each other, a line for each
message. `Bits` say which messages are meant: bit 0 is the first of the block.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

SPAN = 1_024  # messages of a block at most
_FEW = (16, 64, 256)  # words that are looked at together, then all that are left
_MANY = 40  # places: from so many on each line is looked at, which costs the same for any number

Bits = int


@dataclass(frozen=True)
class WordBlock:
    """first, last: seq of messages. members: those that there were.

    words: what several messages have, a line each, the most frequent first; masks: who has them.
    own: a line a message, its other words. further: the same, of what is no text of the message
    (its Message-ID, the subject with its punctuation).
    """

    first: int
    last: int
    members: Bits
    words: bytes
    masks: Sequence[Bits]
    own: bytes
    further: bytes


def build(messages: Iterable[tuple[int, str, str]]) -> WordBlock:
    """Of (seq, text, what else is searched), in order; one at least, within SPAN of each other."""
    masks: dict[str, Bits] = {}
    own: list[list[str]] = []
    further: list[list[str]] = []
    members, first, last = 0, -1, -1
    for seq, text, else_ in messages:
        first = seq if first < 0 else first
        last = seq
        bit = 1 << (seq - first)
        members |= bit
        words = set(text.split())
        for word in words:
            masks[word] = masks.get(word, 0) | bit
        missing = seq - first + 1 - len(own)
        own += [[] for _ in range(missing)]
        further += [[] for _ in range(missing)]
        further[-1] = [word for word in else_.split() if word not in words]
    shared: list[tuple[str, Bits]] = []
    for word, mask in masks.items():
        if mask & (mask - 1):
            shared.append((word, mask))
        else:
            own[mask.bit_length() - 1].append(word)
    shared.sort(key=lambda one: -one[1].bit_count())
    return WordBlock(
        *(first, last, members),
        _lines([word] for word, _ in shared),
        [mask for _, mask in shared],
        _lines(own),
        _lines(further),
    )


def lines_with(needle: bytes, lines: bytes) -> Bits:
    """The lines that hold it; the first is bit 0."""
    if lines.count(needle) <= _MANY:
        return to_bits(_numbers(needle, lines))
    digits = ["1" if needle in line else "0" for line in lines.split(b"\n")]
    return int("".join(reversed(digits)), 2)


def _numbers(needle: bytes, lines: bytes) -> Iterator[int]:
    line = start = 0
    at = lines.find(needle)
    while at >= 0:
        line += lines.count(b"\n", start, at)
        yield line
        start = lines.find(b"\n", at) + 1
        line += 1
        at = lines.find(needle, start) if start else -1


def to_bits(numbers: Iterable[int]) -> Bits:
    """Set those."""
    sizes = list(numbers)
    if not sizes:
        return 0
    whole = bytearray(max(sizes) // 8 + 1)
    for number in sizes:
        whole[number >> 3] |= 1 << (number & 7)
    return int.from_bytes(whole, "little")


def numbers_of(bits: Bits) -> list[int]:
    """Those that are set, in order."""
    text = bin(bits)[:1:-1]
    found = []
    at = text.find("1")
    while at >= 0:
        found.append(at)
        at = text.find("1", at + 1)
    return found


def with_word(
    needle: bytes,
    members: Bits,
    words: bytes,
    own: bytes,
    masks_of: Callable[[list[int]], Iterable[Bits]],
) -> Bits:
    """Whose text has a word that holds it. masks_of: given numbers of words, who has these."""
    numbers = _numbers(needle, words)
    bits = 0
    # The most frequent come first: when everybody has one of them, the rest can add nothing.
    for size in (*_FEW, None):
        some = list(itertools.islice(numbers, size))
        if some:
            for mask in masks_of(some):
                bits |= mask
        if bits == members:
            return bits
    return bits | lines_with(needle, own)


def _lines(lines: Iterable[Iterable[str]]) -> bytes:
    return "\n".join(" ".join(line) for line in lines).encode()
