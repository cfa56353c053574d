"""Who sends a message and over which route; what a server finds out about that."""

from __future__ import annotations

from typing import NamedTuple

from bench.junk.corpus.draw import Draw
from bench.junk.corpus.facts import Facts
from bench.junk.corpus.world import (
    BRAND_FIRST,
    BRAND_LAST,
    FREEMAIL,
    OWNER,
    SENDING_SERVICES,
    Brand,
    Person,
    World,
    person,
)


class Route(NamedTuple):
    """How mail of one origin fares; a weight each."""

    spf: dict[str, float]
    dkim: dict[str, float]
    aligned: tuple[float, float]  # how often SPF's and DKIM's domains are the author's
    rdns: dict[str, float]
    helo: dict[str, float]
    dnsbl: tuple[float, float]  # listed in ham, in spam


MATCHES = {"matches": 1.0}
ROUTES = {
    "freemail": Route(
        {"pass": 97, "softfail": 2, "none": 1}, {"pass": 97, "none": 3}, (1, 1), MATCHES, MATCHES,
        (0.01, 0.05),
    ),
    "service": Route(
        {"pass": 98, "softfail": 1, "none": 1}, {"pass": 97, "none": 2, "fail": 1}, (0.3, 0.85),
        MATCHES, MATCHES, (0.02, 0.15),
    ),
    "own": Route(
        {"pass": 90, "none": 6, "softfail": 2, "fail": 2}, {"pass": 85, "none": 13, "fail": 2},
        (1, 1), {"matches": 92, "generic": 5, "mismatch": 3}, {"matches": 93, "other": 7},
        (0.005, 0.3),
    ),
    "small": Route(
        {"pass": 50, "none": 30, "softfail": 8, "fail": 8, "neutral": 4},
        {"pass": 30, "none": 60, "fail": 10}, (0.8, 0.9),
        {"matches": 35, "generic": 35, "mismatch": 20, "none": 10},
        {"matches": 45, "other": 40, "forged": 10, "literal": 5}, (0.03, 0.4),
    ),
    "list": Route(
        {"pass": 96, "none": 4}, {"pass": 50, "fail": 35, "none": 15}, (0, 0.25), MATCHES,
        {"matches": 95, "other": 5}, (0.005, 0.05),
    ),
    "forwarded": Route(
        {"fail": 45, "softfail": 35, "none": 20}, {"pass": 80, "fail": 20}, (1, 1), MATCHES,
        MATCHES, (0.01, 0.1),
    ),
    "home": Route(
        {"fail": 35, "softfail": 20, "none": 33, "pass": 8, "neutral": 4},
        {"none": 90, "fail": 7, "pass": 3}, (1, 1),
        {"generic": 70, "none": 25, "mismatch": 5},
        {"forged": 35, "literal": 10, "other": 50, "matches": 5}, (0.3, 0.6),
    ),
}  # fmt: skip
SERVICES = ("service", "login", "konto", "mail", "info", "online", "kunden", "secure")
HAM_ROUTES = {
    "brand": {"service": 45, "own": 45, "small": 7, "forwarded": 3},
    "thread": {"freemail": 45, "own": 30, "small": 15, "forwarded": 10},
    "list": {"list": 90, "forwarded": 10},
    "cron": {"small": 55, "own": 40, "home": 5},
}
SPAM_ROUTES = {
    "own": 28, "service": 22, "freemail": 16, "small": 15, "home": 13, "list": 4, "forwarded": 2,
}  # fmt: skip


class Sender(NamedTuple):
    """The author and the way of the message."""

    name: str
    address: str
    reply_to: str
    links: str  # the domain that its links point to
    company: str
    list_name: str
    style: str  # what its layout is drawn by: a sender writes in one style
    route: str
    facts: Facts

    @property
    def domain(self) -> str:
        """Of the author's address."""
        return self.address.rpartition("@")[2]


def some_domain(draw: Draw, near: str = "", *, spam: bool = False) -> str:
    """A domain that somebody has registered, perhaps one that looks like a brand's."""
    if near:
        word = draw.one(SERVICES)
        name = draw.one((f"{near}-{word}", f"{word}-{near}", f"{near}{draw.whole(1, 99)}"))
    else:
        name = draw.one(BRAND_FIRST).lower() + draw.one(("", "-")) + draw.one(BRAND_LAST)
        name += str(draw.whole(1, 365)) if draw.chance(0.25) else ""
    below = {"": 6.0, "com.": 2.0, "net.": 1.0, "de.": 2.0, "info.": 0.3, "top.": 0.15}
    if spam:
        below |= {"info.": 2.5, "top.": 2.5}
    return f"{name}.{draw.weighted(below)}example"


def ham_sender(draw: Draw, world: World, kind: str, topic: str, brand: Brand | None) -> Sender:
    """Who sends a wanted message."""
    if brand:
        local = draw.one(("info", "service", "news", "noreply", "rechnung", "support", "kontakt"))
        name = draw.one((brand.name, f"{brand.name} Service", f"{brand.name} Team", ""))
        route = draw.weighted(HAM_ROUTES["brand"])
        sub = draw.weighted({"": 6, "mail.": 2, "news.": 1, "e.": 1})
        service = f"{draw.one(SERVICES)}.{brand.domain}"
        links = draw.weighted(
            {brand.domain: 5, f"www.{brand.domain}": 3, service: 2, some_domain(draw): 1}
        )
        return _sent(
            draw, False, route, name, f"{local}@{sub}{brand.domain}", brand.name, links,
            style=brand.name, publishes=brand.publishes_dmarc, first=0.4,
        )  # fmt: skip
    if kind == "cron":
        host = draw.one(world.hosts)
        name = draw.one(("Cron Daemon", f"root@{host.partition('.')[0]}", "Monitoring", ""))
        return _sent(
            draw, False, draw.weighted(HAM_ROUTES["cron"]), name, f"root@{host}", host, host,
            style=host, publishes=False, first=0.03,
        )  # fmt: skip
    if kind == "list":
        author = person(draw)
        list_name = f"{topic}-{Draw('list', topic).one(('dev', 'users', 'talk', 'verein'))}"
        return _sent(
            draw, False, draw.weighted(HAM_ROUTES["list"]), author.name, author.address, "",
            f"lists.{topic}.example", list_name=list_name, style=author.name, first=0.15,
        )  # fmt: skip
    if kind == "thread" and draw.chance(0.02):
        return _sent(
            draw, False, "own", f"{OWNER.first} {OWNER.last}", OWNER.address, "", OWNER.domain,
            style=OWNER.last, first=0,
        )  # fmt: skip
    known = draw.chance(0.65)
    author = draw.one(world.known) if known else person(draw)
    return _sent(
        draw, False, draw.weighted(HAM_ROUTES["thread"]), author.name, author.address, "",
        some_domain(draw), style=author.name, first=0 if known else 0.5, written_to=known,
    )  # fmt: skip


def spam_sender(draw: Draw, world: World, kind: str, topic: str, brand: Brand | None) -> Sender:
    """Who sends an unwanted one, and whom it says it were of."""
    route = draw.weighted(SPAM_ROUTES)
    anybody = draw.one(world.known) if draw.chance(0.3) else person(draw)
    near = draw.one(world.brands).name.lower() if draw.chance(0.35) else ""
    domain = some_domain(
        draw, brand.name.lower() if brand and draw.chance(0.4) else near, spam=True
    )
    links = domain if draw.chance(0.6) else some_domain(draw, near, spam=True)
    local = draw.one(("info", "service", "news", "noreply", "office", "support", "kontakt", "mail"))
    name = draw.one((brand.name, f"{brand.name} Service", f"{brand.name} Team", "")) if brand else (
        draw.one((anybody.name, anybody.first, "Support", "Info", ""))
    )  # fmt: skip
    address, publishes, written_to, first = f"{local}@{domain}", draw.chance(0.6), False, 0.94
    if route == "freemail":
        address, publishes = person(draw).address, True
        if not address.rpartition("@")[2].startswith(FREEMAIL):
            address = f"{address.partition('@')[0]}@{draw.one(FREEMAIL)}.example"
    elif route in {"small", "home"} and draw.chance(0.5):
        # Nothing that the author's domain would stand for.
        if draw.chance(0.12):
            name, address = OWNER.first, OWNER.address
        elif brand:
            address, publishes = f"{local}@{brand.domain}", brand.publishes_dmarc
        elif draw.chance(0.3):
            name, address, written_to, first = anybody.name, anybody.address, True, 0.0
    elif kind == "thread" and draw.chance(0.02):
        # Somebody whom the account knows has lost a password.
        friend: Person = draw.one(world.known)
        route, name, address, written_to, first = "own", friend.name, friend.address, True, 0.0
    elif route == "list":
        anyone = person(draw)
        name, address = anyone.name, anyone.address
    list_name = f"{draw.one(world.themes)}-{draw.one(('dev', 'users', 'talk'))}"
    return _sent(
        draw, True, route, name, address, brand.name if brand else "", links,
        list_name=list_name if route == "list" else "", style=f"{topic}{draw.whole(1, 4)}",
        publishes=publishes, first=first, written_to=written_to,
        forged=route in {"small", "home"} and address.rpartition("@")[2] != domain,
    )  # fmt: skip


def _sent(
    draw: Draw,
    spam: bool,
    route: str,
    name: str,
    address: str,
    company: str,
    links: str,
    *,
    style: str,
    first: float,
    list_name: str = "",
    publishes: bool = True,
    written_to: bool = False,
    forged: bool = False,
) -> Sender:
    """The sender, with what the server finds."""
    way, domain = ROUTES[route], address.rpartition("@")[2]
    spf, dkim = draw.weighted(way.spf), draw.weighted(way.dkim)
    aligned = [not forged and draw.chance(share) for share in way.aligned]
    dmarc, policy = "none", ""
    if publishes:
        passed = (spf == "pass" and aligned[0]) or (dkim == "pass" and aligned[1])
        dmarc = "pass" if passed else "fail"
        # What fails with p=reject is refused and in no mailbox.
        policy = draw.weighted({"none": 4, "quarantine": 3, "reject": 3 if passed else 0})
    bounces = domain if aligned[0] else some_domain(draw, spam=spam)
    if list_name:
        bounces = f"lists.{list_name.partition('-')[0]}.example"
    elif route == "service":
        bounces = f"{draw.one(SENDING_SERVICES)}.example" if not aligned[0] else domain
    local = address.partition("@")[0]
    if list_name or (route == "service" and draw.chance(0.8)):
        local = f"bounce-{draw.letters(8)}"
    rdns, helo = draw.weighted(way.rdns), draw.weighted(way.helo)
    ip = ".".join(
        (draw.one(("192.0.2", "198.51.100", "203.0.113")), str(draw.whole(1, 254)))
    )  # the blocks of RFC 5737
    server = f"{draw.one(('mx', 'mail', 'out', 'smtp', 'relay'))}{draw.whole(1, 9)}.{bounces}"
    generic = f"{ip.replace('.', '-')}.{draw.one(('dyn', 'pool', 'static', 'host'))}.netz.example"
    rdns_name = {"matches": server, "generic": generic, "mismatch": f"www.{some_domain(draw)}"}.get(
        rdns, ""
    )
    helo_name = {
        "matches": server if rdns != "generic" else generic,
        "other": draw.one((f"localhost.{bounces}", bounces, "localhost.localdomain")),
        "literal": f"[{ip}]",
        "forged": draw.one((OWNER.domain, f"mail.{OWNER.domain}", "mx1.postfach.example")),
    }[helo]
    facts = Facts(
        spf, dkim, dmarc, policy, rdns, helo, draw.chance(way.dnsbl[spam]), draw.chance(first),
        written_to, f"{local}@{bounces}", ip, helo_name, rdns_name,
    )  # fmt: skip
    replies = ""
    if draw.chance(0.08 if not spam else 0.14):
        replies = person(draw).address if draw.chance(0.4) else f"reply@{some_domain(draw)}"
    return Sender(name, address, replies, links, company, list_name, style, route, facts)
