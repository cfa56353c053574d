"""Sentences about a theme that say nothing: what most of the text of most mail is to a filter."""

from __future__ import annotations

from bench.junk.corpus.draw import Draw
from bench.junk.corpus.words import Words, register, theme_words, words

FORMS = {
    "en": (
        "The {a} {n} {v} the {n}.",
        "{N} and {n} {v} in the {n} of {n}.",
        "It is a {a} {n}, but the {n} {v} it before.",
        "We {v} the {n} with a {a} {n}, as the {n} was {a}.",
        "No {n} is without {n}.",
        "After the {n} they {v} a {n} for the {a} {n}.",
        "What about the {n} on the {n}?",
        "There will be {n}, {n} and some {n}.",
        "In the {n}, the {n} {v}; that is {a}.",
    ),
    "de": (
        "{D} {a} {n} {v} {d} {n}.",
        "{N} und {n} sind im {n} zu sehen.",
        "{D} {n} {v} {d} {n}, aber {d} {n} ist noch offen.",
        "Wenn {d} {n} nicht {v}, hilft {d} {n}.",
        "Ohne {n} kein {n}.",
        "Nach {n} und {n} kommt {d} {a} {n}.",
        "Was ist mit {n} und {n}?",
        "Es gibt {n}, {n} und etwas {n}.",
        "{D} {n} {v} am {n}; das war so geplant.",
    ),
}
OF_THE_THEME = 0.25  # so many of the nouns
# What the account's own mail is often about, and what trade is; the share in ham and in spam.
REGISTERS = {"account": (0.6, 0.06), "trade": (0.06, 0.6)}


def vocabulary(draw: Draw, language: str, *, spam: bool) -> Words:
    """Where the next word is from: a register, or the whole language."""
    for name, shares in REGISTERS.items():
        if draw.chance(shares[spam]):
            return register(language, name)
    return words(language)


def noun(draw: Draw, language: str, theme: str, *, spam: bool) -> str:
    """A noun of the theme, of a register, or of the language."""
    if draw.chance(OF_THE_THEME):
        return draw.frequent(theme_words(language, theme))
    return draw.frequent(vocabulary(draw, language, spam=spam).nouns)


def sentence(draw: Draw, language: str, theme: str, *, spam: bool) -> str:
    """One sentence."""
    articles = words(language).articles

    text, article = [], ""
    pieces = draw.one(FORMS[language]).replace("{", "\0{").split("\0")
    waiting = noun(draw, language, theme, spam=spam)
    for piece in pieces:
        slot, rest = (piece[:3], piece[3:]) if piece.startswith("{") else ("", piece)
        if slot in {"{n}", "{N}"}:
            word, waiting = waiting, noun(draw, language, theme, spam=spam)
            word = word.capitalize() if slot == "{N}" else word
        elif slot in {"{d}", "{D}"}:
            article = articles.get(waiting, "das")
            word = article.capitalize() if slot == "{D}" else article
        else:
            source = vocabulary(draw, language, spam=spam)
            kinds = {"{a}": source.adjectives, "{v}": source.verbs}
            word = draw.frequent(kinds[slot]) if slot else ""
        text.append(word + rest)
    return "".join(text)


def passage(draw: Draw, language: str, theme: str, count: int, *, spam: bool) -> str:
    """So many sentences."""
    return " ".join(sentence(draw, language, theme, spam=spam) for _ in range(count))
