"""What a message says: a subject and paragraphs, before it has a form."""

from __future__ import annotations

import math
from typing import NamedTuple

from bench.junk.corpus.draw import Draw
from bench.junk.corpus.kinds import BY_NAME, EXCERPT, EXCERPT_PHRASES, FOOTER, KINDS, LENGTH, Kind
from bench.junk.corpus.phrases import known, leaning, pools, say
from bench.junk.corpus.sender import Sender, some_domain
from bench.junk.corpus.sentences import noun, passage
from bench.junk.corpus.words import words
from bench.junk.corpus.world import CAMPAIGNS, OWNER, PLACES, THEMES, World, person

FAMILIAR = {"thread", "list", "invitation", "cron", "fortune", "dating", "seo", "salad"}


class Paragraph(NamedTuple):
    """Some text; `role` is text, link, small, quote or hidden."""

    role: str
    text: str


class Letter(NamedTuple):
    """All that is said."""

    subject: str
    paragraphs: tuple[Paragraph, ...]


class Writer:
    """Writes one message for a sender about a topic."""

    def __init__(
        self,
        draw: Draw,
        world: World,
        sender: Sender,
        *,
        spam: bool,
        language: str,
        topic: str,
        theme: str,
    ) -> None:
        self._draw, self._world, self._sender = draw, world, sender
        self._spam, self._language, self._topic, self._theme = spam, language, topic, theme

    def letter(self, kind: str, rules: Kind) -> Letter:
        """The message."""
        draw, spam = self._draw, self._spam
        who = "person" if kind in FAMILIAR else "company"
        body = [
            Paragraph("link" if pool == "action" else "text", self.phrase(pool))
            for pool, shares in rules.says.items()
            for _ in range(self._number(LENGTH * shares[spam]))
        ]
        if draw.chance(EXCERPT[spam]):
            body += self._excerpt()
        body = draw.shuffled(body)
        for _ in range(math.ceil(self._number(LENGTH * rules.filler[spam]) / 3)):
            text = self._passage(draw.whole(1, 5), as_spam=spam and kind != "salad")
            body.insert(draw.whole(0, len(body)), Paragraph("text", text))
        greeting = "greeting_name" if draw.chance(BY_NAME[who][spam]) else "greeting_generic"
        paragraphs = [Paragraph("text", self.phrase(greeting))] if kind != "cron" else []
        paragraphs += body
        if draw.chance(0.85):
            paragraphs.append(Paragraph("text", self.phrase(f"closing_{who}")))
            if who == "person":
                paragraphs.append(Paragraph("text", self._sender.name or self.fill("person")))
        if kind in {"thread", "list", "salad"} and draw.chance(0.5 if not spam else 0.25):
            paragraphs += self._quoted()
        paragraphs += [
            Paragraph("small", self.phrase("footer"))
            for _ in range(self._number(FOOTER[who][spam]))
        ]
        return Letter(self.phrase(rules.subject), tuple(paragraphs))

    def hidden(self) -> Paragraph:
        """Text for programs only: a preview line, or words that are to look harmless."""
        return Paragraph("hidden", self._passage(2, as_spam=False))

    def _excerpt(self) -> list[Paragraph]:
        """Some of what the other class says, in its wording."""
        draw, other = self._draw, not self._spam
        kind = draw.weighted({name: (each.ham, each.spam)[other] for name, each in KINDS.items()})
        rates = {pool: rate[other] for pool, rate in KINDS[kind].says.items()}
        theme = draw.one((*THEMES, *CAMPAIGNS))
        return [
            Paragraph("text", self.phrase(draw.weighted(rates), theme, as_spam=other))
            for _ in range(EXCERPT_PHRASES)
        ]

    def _passage(self, count: int, *, as_spam: bool) -> str:
        return passage(self._draw, self._language, self._theme, count, spam=as_spam)

    def _quoted(self) -> list[Paragraph]:
        """What is answered to."""
        pool = self._draw.one(("smalltalk", "plan", "technical"))
        text = self._passage(self._draw.whole(1, 3), as_spam=self._spam)
        return [Paragraph("quote", f"{self.phrase(pool)} {text}")]

    def _number(self, average: float) -> int:
        """How often something is said that is said so often on average."""
        whole = int(average)
        count = whole + self._draw.chance(average - whole)
        return count + self._draw.weighted({-1: 1, 0: 3, 1: 1}) if count > 1 else count

    def phrase(self, pool: str, theme: str = "", *, as_spam: bool | None = None) -> str:
        """One phrase of a pool, filled in."""
        spam = self._spam if as_spam is None else as_spam
        lines = known(self._language, pool, self._topic)
        if self._draw.chance(0.2):  # said as nobody else of this topic would say it
            lines = pools(self._language)[pool]
        line = self._draw.weighted({each: leaning(self._language, each)[spam] for each in lines})
        return say(self._draw, line, lambda slot: self.fill(slot, theme))

    def fill(self, slot: str, theme: str = "") -> str:
        """What stands in for a slot."""
        draw = self._draw
        if slot == "word":
            return noun(draw, self._language, theme or self._theme, spam=self._spam)
        if slot in {"sum", "date", "time", "number", "count"}:
            return self._figure(slot)
        if slot == "url":
            return self.url()
        if slot == "host":
            return self._host()
        values = {
            "owner": OWNER.first,
            "surname": OWNER.last,
            "address": OWNER.address if draw.chance(0.7) else person(draw).address,
            "brand": self._sender.company or draw.one(self._world.brands).name,
            "person": (draw.one(self._world.known) if draw.chance(0.3) else person(draw)).name,
            "place": draw.frequent(PLACES) if draw.chance(0.5) else draw.one(PLACES),
            "list": self._sender.list_name or f"{draw.one(self._world.themes)}-dev",
        }
        return values[slot]

    def _figure(self, slot: str) -> str:
        draw = self._draw
        if slot == "sum":
            amount = f"{draw.whole(1, 10 ** draw.whole(1, 5))}"
            cents = f"{draw.one((0, 0, 50, 90, 95, 99, draw.whole(0, 99))):02}"
            if self._language == "de":
                return f"{amount},{cents} {draw.one(('€', 'EUR', 'Euro'))}"
            return draw.one((f"${amount}.{cents}", f"{amount}.{cents} EUR", f"£{amount}.{cents}"))
        if slot == "date":
            day, month, year = draw.whole(1, 28), draw.whole(2, 8), 2026
            forms = (
                f"{day:02}.{month:02}.{year}",
                f"{day}.{month}.",
                f"{year}-{month:02}-{day:02}",
            )
            return draw.one(forms)
        if slot == "time":
            return f"{draw.whole(0, 23):02}:{draw.one((0, 15, 30, 45, draw.whole(0, 59))):02}"
        if slot == "number":
            return draw.letters(draw.whole(4, 10), draw.one(("0123456789", "0123456789ABCDEF-")))
        return str(draw.whole(1, 9))

    def _host(self) -> str:
        draw = self._draw
        if self._spam and draw.chance(0.6):
            return draw.one((OWNER.domain, f"www.{OWNER.domain}", some_domain(draw)))
        return draw.one(self._world.hosts) if draw.chance(0.85) else some_domain(draw)

    def url(self) -> str:
        """A link of the sender's."""
        draw = self._draw
        domain = self._sender.links if draw.chance(0.85) else some_domain(draw)
        scheme = draw.weighted({"https": 9, "http": 1.5 if self._spam else 0.8})
        word = draw.one(words("en").nouns)
        forms = {
            f"/{word}": 3,
            f"/{word}/{draw.letters(10)}": 3,
            f"/?{draw.letters(2)}={draw.letters(16)}": 2,
            f"/{draw.letters(6)}": 2,
            f"/{word}.html#{draw.letters(4)}": 1,
            "/": 1,
        }
        return f"{scheme}://{domain}{draw.weighted(forms)}"
