"""The routes that mail takes through the server: who sends, how, to whom, and where it arrives."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Literal

from .ledger import Entry, Ledger

Protocol = Literal["smtp", "submissions", "submission", "imap"]
DOMAIN, SECRET = "example.org", "a secret for the soak"
USERS = tuple(f"user{number}@{DOMAIN}" for number in range(6))
FILING, SENDING_ON, PROBE = (f"{name}@{DOMAIN}" for name in ("filing", "sending-on", "probe"))
ACCOUNTS = (*USERS, FILING, SENDING_ON, PROBE)
ZONE = "soak.far.test"
PERSON, SENDER = f"person@people.{ZONE}", f"sender@senders.{ZONE}"
REFUSED = f"refused@people.{ZONE}"
ALIASES = {f"away@{DOMAIN}": PERSON, f"gone@{DOMAIN}": REFUSED}
ONWARD = 30.0
FILED, APPENDED = "Filed", "Appended"
SCRIPTS = {
    FILING: f'require "fileinto"; fileinto "{FILED}";\r\n',
    SENDING_ON: f'redirect "{PERSON}";\r\n',
}


@dataclass(frozen=True)
class Route:
    """share: of a hundred messages. refused: the outside does not know the recipient."""

    name: str
    share: int
    protocol: Protocol
    recipient: str  # "" for each of the users by turns
    place: str
    refused: bool = False


ROUTES = (
    Route("25, into a mailbox", 26, "smtp", "", "{}/INBOX"),
    Route("25, filed by Sieve", 10, "smtp", FILING, f"{FILING}/{FILED}"),
    Route("25, redirected by Sieve", 10, "smtp", SENDING_ON, PERSON),
    Route("25, forwarded by an alias", 13, "smtp", f"away@{DOMAIN}", PERSON),
    Route("25, forwarded, refused outside", 3, "smtp", f"gone@{DOMAIN}", REFUSED, refused=True),
    Route("465, to the outside", 13, "submissions", PERSON, PERSON),
    Route("465, to the outside, refused there", 3, "submissions", REFUSED, REFUSED, refused=True),
    Route("587, to the outside", 6, "submission", PERSON, PERSON),
    Route("587, to a mailbox here", 6, "submission", "", "{}/INBOX"),
    Route("IMAP APPEND", 10, "imap", "", f"{{}}/{APPENDED}"),
)
INBOUND = Route("25, into a mailbox", 0, "smtp", PROBE, f"{PROBE}/INBOX")
OUTBOUND = next(route for route in ROUTES if route.recipient.startswith("away"))


@dataclass(frozen=True)
class Task:
    """A number, and what is to be done with it."""

    entry: Entry
    protocol: Protocol
    sender: str
    recipient: str


def task(ledger: Ledger, route: Route, chosen: Random) -> Task:
    """The next number, by this route."""
    recipient = route.recipient or chosen.choice(USERS)
    sender = SENDER if route.protocol == "smtp" else chosen.choice(USERS)
    places = {route.place.format(recipient)}
    if recipient == SENDING_ON:
        # What a redirect cannot hand over is stored with who wrote the script.
        places.add(f"{SENDING_ON}/INBOX")
    # A script's copy is handed to the queue, and leaves from there.
    onward = ONWARD if recipient == SENDING_ON else 0.0
    entry = ledger.open(route.name, places, refused=route.refused, onward=onward)
    return Task(entry, route.protocol, sender, recipient)


def tasks(ledger: Ledger, count: int, chosen: Random) -> list[Task]:
    """So many numbers, the routes mixed."""
    routes = chosen.choices(ROUTES, [route.share for route in ROUTES], k=count)
    return [task(ledger, route, chosen) for route in routes]
