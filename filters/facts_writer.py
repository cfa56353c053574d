"""Writes X-Signpost-Facts on top of a message that arrives: from what was found out anyway.

SPF, DKIM and DMARC are the verifier's results, the client's names are smtpd's. Only the blocklists
that score are asked here, from the connection on: the dialog goes on meanwhile, and a message waits
for what is left of their time. It must not know what the facts count.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence

from filters.addresses import AddressFile, LocalAddresses
from filters.client_names import helo_word, rdns_word
from filters.facts import ArrivalFacts, DkimFact, DmarcFact, SpfFact
from filters.guard.blocklists import Blocklists
from filters.mailauth.dns.types import Resolver
from filters.mailauth.envelope import Envelope
from filters.mailauth.message_result import MessageResult
from filters.mailauth.policy import is_vouched_for
from filters.smtpd import Report, Request, Session
from filters.srs import RewrittenSenders, is_rewritten

_ASKED = "facts: the blocklists that were asked"
# Of signatures that do not pass, the word that says most; a doubt comes before all.
_FAILED: Sequence[DkimFact] = ("fail", "policy", "permerror", "neutral")


class FactsWriter:
    """addresses: our own names; None where they are unknown. unknown_clients: where anyone may
    appear (a NAT). trusted_sealers: forwarders whose word that DMARC passed counts. blocklists:
    those that score, None for none. senders: by which smtpd's own are known (SRS).
    """

    def __init__(
        self,
        addresses: AddressFile | None,
        blocklists: Blocklists | None = None,
        *,
        unknown_clients: frozenset[str] = frozenset(),
        trusted_sealers: frozenset[str] = frozenset(),
        senders: RewrittenSenders | None = None,
    ) -> None:
        self.addresses = addresses
        self.senders = senders
        self.blocklists = blocklists
        self.unknown_clients = unknown_clients
        self.trusted_sealers = trusted_sealers

    def ask_blocklists(self, session: Session, request: Request) -> None:
        """At connect: nobody waits for the answers yet."""
        address = session.client_address
        if self.blocklists is None or address is None or address in self.unknown_clients:
            return
        session.state[_ASKED] = asyncio.ensure_future(self.blocklists.find_all(address))

    def note_end(self, session: Session, report: Report) -> None:
        """The client has gone: nobody wants the answers any more."""
        asked = session.state.pop(_ASKED, None)
        if asked is not None:
            asked.cancel()

    async def in_front(self, session: Session, verdict: MessageResult, message: bytes) -> bytes:
        """The message under its facts; without, what was submitted or only leaves by an alias."""
        envelope = verdict.envelope
        if envelope.user is not None or session.local:
            return message
        ours = None if self.addresses is None else self.addresses.content
        # What an alias sends elsewhere needs to know nothing of ours. In doubt it has them: a
        # delivery takes mail without facts for an account's own.
        if ours is not None and self._only_leaves(envelope, ours):
            return message
        asked = session.state.get(_ASKED)
        listed = () if asked is None else await asyncio.shield(asked)
        return self.facts(session.hostname, ours, verdict, listed).field() + message

    def _only_leaves(self, envelope: Envelope, ours: LocalAddresses) -> bool:
        """Whether none of its recipients has a mailbox here, as far as all of them are known."""
        is_bounce, recipients = not envelope.sender, envelope.recipients
        return bool(recipients) and all(self._leaves(each, is_bounce, ours) for each in recipients)

    def _leaves(self, address: str, is_bounce: bool, ours: LocalAddresses) -> bool:
        if self.senders is not None and is_bounce and is_rewritten(address):
            # Where an alias has sent on what an account wrote, the bounce is the account's.
            whole = self.senders.restored(address) or address
            address = self.senders.sender(whole) or address
            if not ours.is_ours(address.rpartition("@")[2]):
                return True
        entry = ours.entry(address)
        return entry is not None and not ours.owners[entry]

    def facts(
        self,
        hostname: str,
        ours: LocalAddresses | None,
        verdict: MessageResult,
        listed: tuple[str, ...] = (),
    ) -> ArrivalFacts:
        """What is known. hostname: the server's. listed: the blocklists that list the client."""
        envelope, vouched = verdict.envelope, is_vouched_for(verdict, self.trusted_sealers)

        def is_ours(name: str) -> bool:
            return name == hostname or (ours is not None and ours.is_ours(name))

        return ArrivalFacts(
            dmarc="pass" if vouched and verdict.dmarc.policy is not None else _dmarc(verdict),
            dkim=_dkim(verdict),
            # The client is the forwarder, and the envelope sender another's.
            spf="unknown" if vouched else _spf(verdict),
            rdns=rdns_word(envelope, dns_fails=_dns_fails(verdict)),
            helo=helo_word(envelope, is_ours, vouched=_is_a_host_of_helo(verdict)),
            dnsbl=listed,
            author=verdict.author.domain or "",
        )


def _dmarc(verdict: MessageResult) -> DmarcFact:
    result = verdict.dmarc.result
    if result == "fail" and _spf(verdict) == "unknown":
        return "unknown"  # SPF might have passed
    return result


def _spf(verdict: MessageResult) -> SpfFact:
    if verdict.spf is None or verdict.envelope.client_unknown:
        return "unknown"
    return verdict.spf.result


def _dkim(verdict: MessageResult) -> DkimFact:
    words: set[DkimFact] = {
        "other" if each.result == "pass" and not _is_own(each.domain, verdict) else each.result
        for each in verdict.dkim
    }
    order: Sequence[DkimFact] = ("pass", "temperror", "other", *_FAILED)
    return next((word for word in order if word in words), "none")


def _is_own(signer: str, verdict: MessageResult) -> bool:
    """Whether it is the author's domain, one above or one of the same organization."""
    author = verdict.author.domain
    if author is None:
        return False
    signer, top = signer.lower(), verdict.dmarc.organizational_domain or author
    is_above = "." in signer and f".{author}".endswith(f".{signer}")
    return is_above or f".{signer}".endswith((f".{author}", f".{top}"))


def _dns_fails(verdict: MessageResult) -> bool:
    spf = None if verdict.spf is None else verdict.spf.result
    dkim = (each.result for each in verdict.dkim)
    return "temperror" in {spf, verdict.dmarc.result, *dkim} or verdict.arc.temporary


def _is_a_host_of_helo(verdict: MessageResult) -> bool:
    spf, helo = verdict.spf, verdict.envelope.helo.lower().removesuffix(".")
    return spf is not None and spf.result == "pass" and spf.domain.lower() == helo


def add_facts_options(parser: argparse.ArgumentParser) -> None:
    """`--facts` and `--dnsbl-score`."""
    parser.add_argument(
        "--facts",
        action="store_true",
        help="write X-Signpost-Facts, from which a delivery tells junk",
    )
    parser.add_argument(
        "--dnsbl-score",
        action="append",
        default=[],
        metavar="ZONE",
        help="with --facts: say there that this DNS blocklist has the client",
    )


def read_facts(
    options: argparse.Namespace,
    addresses: AddressFile | None,
    resolver: Resolver,
    senders: RewrittenSenders | None,
) -> FactsWriter | None:
    """What the options ask for."""
    if not options.facts:
        return None
    zones = options.dnsbl_score
    scoring = Blocklists(zones, resolver) if zones else None
    return FactsWriter(
        addresses,
        scoring,
        unknown_clients=frozenset(options.unknown_client),
        trusted_sealers=frozenset(name.lower() for name in options.arc_trusted_sealer),
        senders=senders,
    )
