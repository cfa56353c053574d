"""A block of messages says of any text without white space who has it."""

from hypothesis import given
from hypothesis import strategies as st

from entrypoint.test_target.search.word_block import (
    SPAN,
    build,
    lines_with,
    numbers_of,
    to_bits,
    with_word,
)

TEXTS = st.lists(
    st.lists(st.text("abcß.", min_size=1, max_size=4), max_size=6).map(" ".join),
    min_size=1,
    max_size=12,
)


def found(needle: str, texts: list[str], gaps: int = 0) -> list[int]:
    """The numbers of the texts that a block of them says to hold it."""
    block = build((5 + number * (1 + gaps), text, "") for number, text in enumerate(texts))
    bits = with_word(
        *(needle.encode(), block.members, block.words, block.own),
        lambda numbers: [block.masks[number] for number in numbers],
    )
    return [number // (1 + gaps) for number in numbers_of(bits)]


@given(TEXTS, st.text("abcß.", min_size=1, max_size=3), st.integers(0, 2))
def test_it_says_what_a_look_at_each_says(texts: list[str], needle: str, gaps: int) -> None:
    assert found(needle, texts, gaps) == [n for n, text in enumerate(texts) if needle in text]


def test_many_words_hold_it_and_everybody_has_one_of_them() -> None:
    texts = [" ".join(f"x{n}{i}" for i in range(40)) for n in (1, 1, 2, 2, 3)] + ["y x"]
    assert found("x", texts) == [0, 1, 2, 3, 4, 5]
    assert found("39", texts) == [0, 1, 2, 3, 4]
    assert found("y", texts) == [5]


def test_a_line_counts_once_and_the_last_has_no_end() -> None:
    assert numbers_of(lines_with(b"a", b"a a\n\nba\nc\na")) == [0, 2, 4]
    assert lines_with(b"a", b"") == lines_with(b"a", b"b\nc") == 0


@given(st.sets(st.integers(0, SPAN - 1)))
def test_bits_are_numbers(numbers: set[int]) -> None:
    assert numbers_of(to_bits(numbers)) == sorted(numbers)


def test_further_words_are_those_that_the_text_has_not() -> None:
    block = build([(7, "one two", "one three"), (9, "x", "four")])
    assert (block.first, block.last, block.members) == (7, 9, 0b101)
    assert block.further.split(b"\n") == [b"three", b"", b"four"]
