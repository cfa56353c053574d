"""The account whose mail this is, and everybody and everything it hears from.

All domains are below the reserved .example. Brands and themes are split anew for each seed: those
that are held out occur in no message that is trained with.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from bench.junk.corpus.draw import Draw


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FIRST = _words("""
Anna Ben Clara David Emma Felix Greta Hannes Ida Jonas Katrin Lukas Maria Nils Olga Paul Rosa
Simon Tina Uwe Vera Walter Yara Zoe Alice Brian Carol Dennis Ellen Frank Grace Harold Irene
James Karen Leo Megan Nathan Olivia Peter Rachel Steve Teresa Victor Wendy Amir Fatima Chen
Priya Kwame
""")
LAST = _words("""
Adler Brandt Claasen Dietz Ebert Fuchs Graf Hansen Iversen Jung Keller Lorenz Maurer Neumann
Otto Pohl Reuter Sommer Thiel Ulrich Vogt Wagner Zimmer Abbott Barnes Carter Dixon Ellis
Foster Gibson Harper Irving Jenkins Knight Lawson Morgan Norton Osborne Parker Quinn Reed Shaw
Turner Vaughn Wells Young Okafor Mensah Rao Liu
""")
PLACES = _words("""
Aachen Bremen Chemnitz Dresden Erfurt Freiburg Gera Halle Ingolstadt Jena Kassel Leipzig Mainz
Nürnberg Oldenburg Passau Rostock Schwerin Trier Ulm Worms Zwickau Aberdeen Bristol Cardiff
Dover Exeter Glasgow Hull Ipswich Kent Leeds Newport Oxford Perth Reading Salford Torquay York
Lagos Riga Lisbon Vienna Zurich Toronto
""")
BRAND_FIRST = _words("""
Nord Silber Linden Berg Brook Maple Harbor Copper Fern Amber Quarz Stern Wald Mill Blue River
Kern Sonn Eich Falk Tulip Birch Cedar Delta Orion
""")
BRAND_LAST = _words("""
markt werk haus line post cart bank shop labs press kontor reisen mobil strom tec media garden
optik box sport
""")
THEMES = _words("""
gardening cycling chess sailing pottery astronomy baking carpentry choir climbing cinema
drawing fishing folklore football geology genealogy hiking history insulation jazz kayaking
knitting linguistics masonry meadows mushrooms networking orchards painting parenting
philosophy photography plumbing poetry printing quilting radio recycling robotics roofing
running schooling sewing solar surveying swimming taxes tennis theatre toys trains translation
typography upholstery vineyards volunteering weather weaving woodwork
""")
CAMPAIGNS = _words("""
aurora boost cobalt drift ember flux glow halo index jade karma lumen magnet nova onyx prime
quest rapid spark titan ultra vivid wave xenon zenith apex bravo crest dynamo element
""")
FREEMAIL = ("postfach", "inbox", "webbrief", "mailbox24", "quickpost")
SENDING_SERVICES = ("sendkontor", "mailwerft", "bulkpost", "newsrelay", "letterjet")


class Owner(NamedTuple):
    """Whose mailbox it is."""

    first: str = "Johanna"
    last: str = "Lindqvist"
    address: str = "johanna@lindqvist.example"
    domain: str = "lindqvist.example"


class Person(NamedTuple):
    """Somebody who writes."""

    first: str
    last: str
    address: str

    @property
    def name(self) -> str:
        """Both names."""
        return f"{self.first} {self.last}"


class Brand(NamedTuple):
    """A company that writes, or that somebody imitates."""

    name: str
    domain: str
    language: str
    theme: str
    publishes_dmarc: bool


class World(NamedTuple):
    """What there is to write about in one part of the corpus."""

    brands: tuple[Brand, ...]
    themes: tuple[str, ...]
    campaigns: tuple[str, ...]
    known: tuple[Person, ...]  # whom the account has written to
    hosts: tuple[str, ...]


OWNER = Owner()


def person(draw: Draw) -> Person:
    """Anybody."""
    first, last = draw.one(FIRST), draw.one(LAST)
    plain = last.lower()
    local = draw.one((f"{first.lower()}.{plain}", f"{first[0].lower()}{plain}", first.lower()))
    if draw.chance(0.5):
        local += str(draw.whole(1, 99)) if draw.chance(0.5) else ""
        return Person(first, last, f"{local}@{draw.one(FREEMAIL)}.example")
    return Person(first, last, f"{local}@{plain}-{draw.one(BRAND_LAST)}.example")


@cache
def worlds(seed: int) -> tuple[World, World]:
    """What is trained with and what is held out."""
    draw = Draw("world", seed)
    names = draw.shuffled([first + last for first in BRAND_FIRST for last in BRAND_LAST])[:140]
    brands = [
        Brand(
            name,
            f"{name.lower()}.{draw.weighted({'': 6, 'com.': 2, 'net.': 1, 'de.': 2})}example",
            draw.weighted({"de": 6, "en": 4}),
            draw.one(THEMES),
            draw.chance(0.75),
        )
        for name in names
    ]
    themes, campaigns = draw.shuffled(THEMES), draw.shuffled(CAMPAIGNS)
    # People and machines stay the same: the account does not move house between the two parts.
    known = tuple(person(draw) for _ in range(24))
    hosts = tuple(f"{draw.one(CAMPAIGNS)}{number}.{OWNER.domain}" for number in range(1, 5))
    first, second = (
        World(
            tuple(brands[half::2]),
            tuple(themes[half::2]),
            tuple(campaigns[half::2]),
            known,
            hosts,
        )
        for half in (0, 1)
    )
    return first, second
