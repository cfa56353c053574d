"""The words of a language, and which of them a theme uses."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

from bench.junk.corpus.draw import Draw

FOLDER = Path(__file__).parent / "words"
THEME_WORDS = 70


class Words(NamedTuple):
    """Words by what they are in a sentence, the frequent ones first."""

    nouns: tuple[str, ...]  # in German with a capital
    adjectives: tuple[str, ...]
    verbs: tuple[str, ...]  # third person
    articles: dict[str, str]


@cache
def words(language: str) -> Words:
    """All words of a language."""
    return _english() if language == "en" else _german()


@cache
def theme_words(language: str, theme: str) -> tuple[str, ...]:
    """The nouns that a theme is about, its own name first."""
    draw = Draw("theme", language, theme)
    nouns = words(language).nouns
    return (theme, *(draw.one(nouns) for _ in range(THEME_WORDS)))


@cache
def register(language: str, name: str) -> Words:
    """A small part of the language: what some write of often, others hardly ever."""
    draw, whole = Draw("register", language, name), words(language)
    nouns, adjectives, verbs = (
        tuple(draw.shuffled(kind)[:size])
        for kind, size in ((whole.nouns, 150), (whole.adjectives, 40), (whole.verbs, 40))
    )
    return Words(nouns, adjectives, verbs, whole.articles)


def _english() -> Words:
    lines = (FOLDER / "en.txt").read_text("utf-8").splitlines()
    found = [word for line in lines if not line.startswith("#") for word in line.split()]
    found = Draw("words", "en").shuffled(found)
    verbs = tuple(word for word in found if word.endswith("ed"))
    adjectives = tuple(
        word for word in found if word.endswith(("ous", "ful", "able", "ive", "al", "ic", "less"))
    )
    others = {*verbs, *adjectives}
    nouns = tuple(word for word in found if word not in others and not word.endswith("ly"))
    return Words(nouns, adjectives, verbs, {})


def _german() -> Words:
    section, parts = "", dict[str, list[str]]()
    for line in (FOLDER / "de.txt").read_text("utf-8").splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif not line.startswith("#"):
            parts.setdefault(section, []).extend(line.split())
    draw = Draw("words", "de")
    seconds = [(end, article) for article in ("die", "der", "das") for end in parts[article]]
    articles: dict[str, str] = {}
    while len(articles) < 5_000:
        first, (second, article) = draw.one(parts["first"]), draw.one(seconds)
        articles[first + second] = article
    adjectives, verbs = draw.shuffled(parts["adjective"]), draw.shuffled(parts["verb"])
    return Words(tuple(articles), tuple(adjectives), tuple(verbs), articles)
