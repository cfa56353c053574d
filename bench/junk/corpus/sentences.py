"""Sentences about a theme that say nothing: what most of the text of most mail is to a filter."""

from __future__ import annotations

from bench.junk.corpus.draw import Draw
from bench.junk.corpus.words import theme_words, words

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
OF_THE_THEME = 0.45  # so many of the nouns


def sentence(draw: Draw, language: str, theme: str) -> str:
    """One sentence."""
    vocabulary, own = words(language), theme_words(language, theme)

    def noun() -> str:
        return draw.frequent(own) if draw.chance(OF_THE_THEME) else draw.frequent(vocabulary.nouns)

    text, article = [], ""
    pieces = draw.one(FORMS[language]).replace("{", "\0{").split("\0")
    waiting = noun()
    for piece in pieces:
        slot, rest = (piece[:3], piece[3:]) if piece.startswith("{") else ("", piece)
        if slot in {"{n}", "{N}"}:
            word, waiting = waiting, noun()
            word = word.capitalize() if slot == "{N}" else word
        elif slot in {"{d}", "{D}"}:
            article = vocabulary.articles.get(waiting, "das")
            word = article.capitalize() if slot == "{D}" else article
        else:
            kinds = {"{a}": vocabulary.adjectives, "{v}": vocabulary.verbs}
            word = draw.frequent(kinds[slot]) if slot else ""
        text.append(word + rest)
    return "".join(text)


def passage(draw: Draw, language: str, theme: str, count: int) -> str:
    """So many sentences."""
    return " ".join(sentence(draw, language, theme) for _ in range(count))
