"""Which messages hold a text, found once: what has been stored never changes.

The blocks of the index and what is behind them are looked through, and the answer is remembered. So
who asks the same again and again waits for what is new only.
"""

# What is put together here are names of tables and columns; values are parameters.
# ruff: noqa: S608

from __future__ import annotations

import json
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

from entrypoint.test_target.search.sql import SqlCondition, table_and_column
from entrypoint.test_target.search.terms import Contains
from entrypoint.test_target.search.word_block import (
    Bits,
    lines_with,
    numbers_of,
    to_bits,
    with_word,
)

_MOST_REMEMBERED = 2_000  # texts
_MOST_BLOCKS = 50_000  # with a match, of all of them: 15 MB
_NOTHING = "x''"
_MANY = 10_000  # messages: from so many on it may be shorter to name the others


@dataclass(frozen=True)
class _Tail:
    """What is behind the index. behind: seq; what is up to there is not in it; seen: up to here."""

    behind: int = 0
    seen: int = 0
    seqs: tuple[int, ...] = ()


@dataclass
class _Known:
    """upto: the first seq of the last block that has been looked through. It is not changed."""

    upto: int = -1
    blocks: dict[int, Bits] = field(default_factory=dict)
    tail: _Tail = _Tail()


class Occurrences:
    """Of one file, for all its readers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[Contains, _Known] = OrderedDict()
        self._blocks = 0

    def condition(self, connection: sqlite3.Connection, wanted: Contains) -> SqlCondition:
        """On `messages m`. Within a transaction, so that all of it is of one state of the file."""
        with self._lock:
            known = self._known.get(wanted, _Known())
        blocks = _in_blocks(connection, wanted, known)
        tail = _in_tail(connection, wanted, known.tail)
        self._remember(wanted, _Known(max(known.upto, blocks.upto), blocks.blocks, tail))
        return _sql(connection, blocks.blocks, tail)

    def _remember(self, wanted: Contains, known: _Known) -> None:
        with self._lock:
            before = self._known.pop(wanted, None)
            self._blocks += len(known.blocks) - (len(before.blocks) if before else 0)
            self._known[wanted] = known
            while len(self._known) > _MOST_REMEMBERED or self._blocks > _MOST_BLOCKS:
                _, gone = self._known.popitem(last=False)
                self._blocks -= len(gone.blocks)


def _in_blocks(connection: sqlite3.Connection, wanted: Contains, known: _Known) -> _Known:
    """What is known, and what the blocks hold that are newer."""
    (upto,) = connection.execute("SELECT coalesce(max(first), -1) FROM word_blocks").fetchone()
    if upto <= known.upto:
        return known
    # The longest first: it is in the fewest.
    pieces = sorted((piece.encode() for piece in wanted.needle.split()), key=len, reverse=True)
    is_text = wanted.field == "text"
    rows = connection.execute(
        f"SELECT first, last, members, words, own, {_NOTHING if is_text else 'further'}"
        " FROM word_blocks WHERE first > ?",
        (known.upto,),
    )
    found = dict(known.blocks)
    for first, last, members, words, own, further in rows:
        everybody = bits = int.from_bytes(members, "little")
        for piece in pieces:
            if bits:
                bits &= lines_with(piece, further) | with_word(
                    *(piece, everybody, words, own),
                    lambda numbers, first=first: _masks(connection, first, numbers),  # type: ignore[misc]
                )
        if bits and not (is_text and pieces == [wanted.needle.encode()]):
            bits = _verified(connection, wanted, first, last, bits)
        if bits:
            found[first] = bits
    return _Known(upto, found)


def _masks(connection: sqlite3.Connection, block: int, numbers: list[int]) -> Iterable[Bits]:
    rows = connection.execute(
        "SELECT mask FROM word_masks WHERE block = ? AND word IN (SELECT value FROM json_each(?))",
        (block, json.dumps(numbers)),
    )
    return [int.from_bytes(mask, "little") for (mask,) in rows]


def _verified(
    connection: sqlite3.Connection, wanted: Contains, first: int, last: int, bits: Bits
) -> Bits:
    """Those that hold it, of those that hold its pieces, anywhere."""
    table, column = table_and_column(wanted.field)
    if 2 * bits.bit_count() > last - first:  # the others are fewer, or all are to be looked at
        rows = connection.execute(
            f"SELECT x.seq FROM {table} x WHERE x.seq BETWEEN ? AND ? AND NOT instr({column}, ?)",
            (first, last, wanted.needle),
        )
        return bits & ~to_bits(seq - first for (seq,) in rows)
    rows = connection.execute(
        f"SELECT x.seq FROM {table} x WHERE x.seq IN (SELECT value FROM json_each(?))"
        f" AND instr({column}, ?)",
        (json.dumps([first + number for number in numbers_of(bits)]), wanted.needle),
    )
    return to_bits(seq - first for (seq,) in rows)


def _in_tail(connection: sqlite3.Connection, wanted: Contains, known: _Tail) -> _Tail:
    (behind,) = connection.execute("SELECT value FROM state WHERE name = 'indexed'").fetchone()
    if known.behind > behind:  # known of a later state than this
        known = _Tail(behind, behind)
    table, column = table_and_column(wanted.field)
    start = max(known.seen, behind)
    (seen,) = connection.execute("SELECT coalesce(max(seq), 0) FROM messages").fetchone()
    rows = connection.execute(
        f"SELECT x.seq FROM {table} x WHERE x.seq > ? AND instr({column}, ?)",
        (start, wanted.needle),
    )
    old = (seq for seq in known.seqs if seq > behind)
    return _Tail(behind, max(start, seen), (*old, *(seq for (seq,) in rows)))


def _sql(connection: sqlite3.Connection, blocks: dict[int, Bits], tail: _Tail) -> SqlCondition:
    count = sum(bits.bit_count() for bits in blocks.values())
    if count >= _MANY:
        rows = connection.execute("SELECT first, members FROM word_blocks").fetchall()
        everybody = {first: int.from_bytes(members, "little") for first, members in rows}
        if 2 * count > sum(members.bit_count() for members in everybody.values()):
            others = {first: bits & ~blocks.get(first, 0) for first, bits in everybody.items()}
            numbers = _seqs(others)
            but = "AND m.seq NOT IN (SELECT value FROM json_each(?))" if numbers else ""
            return SqlCondition(
                f"m.seq <= ? {but} OR m.seq IN (SELECT value FROM json_each(?))",
                (tail.behind, *([json.dumps(numbers)] if numbers else []), json.dumps(tail.seqs)),
            )
    seqs = [*_seqs(blocks), *tail.seqs]
    return SqlCondition("m.seq IN (SELECT value FROM json_each(?))", (json.dumps(seqs),))


def _seqs(blocks: dict[int, Bits]) -> list[int]:
    return [first + number for first, bits in blocks.items() for number in numbers_of(bits)]
