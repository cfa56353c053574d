"""The inbound program: what it asks in which order, and what it does not start with."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from filters.addresses import AddressFile
from filters.disk_room import QueueRoom
from filters.facts_writer import FactsWriter
from filters.guard.blocklists import Blocklists
from filters.guard.greylisting import Greylisting
from filters.inbound import restrict
from filters.inbound_access import BlocklistAccess, GreylistAccess
from filters.mailauth.dns.resolver import StaticResolver
from filters.recipients import InboundRecipients
from filters.smtpd import FilterServer
from filters.verifier import InboundPolicy, Verifier

from .program import Program
from .restrictions import restrictions


def test_restrictions_are_asked_in_the_order_of_the_program(tmp_path: Path) -> None:
    (tmp_path / "addresses.json").write_text('{"domains": [], "owners": {}}')
    resolver = StaticResolver({})
    verifier = Verifier("mail.example.org", resolver, InboundPolicy())
    greylisting = Greylisting(tmp_path / "greylist.sqlite")
    server = FilterServer()
    restrict(
        server,
        blocklists=BlocklistAccess(Blocklists(["bl.test"], resolver), frozenset()),
        queue=QueueRoom(tmp_path),
        recipients=InboundRecipients(AddressFile(tmp_path / "addresses.json")),
        greylist=GreylistAccess(greylisting, resolver),
        verifier=verifier,
    )
    greylisting.finish()
    # The greylist costs a look into a database: it is asked of mail that would be taken.
    assert restrictions(server) == {
        "connect": ["reject_listed_client"],
        "mail-from": ["reject_insufficient_storage"],
        "rcpt-to": [
            "restore_recipient",
            "disconnect_guessing_client",
            "reject_unauth_destination",
            "reject_unlisted_recipient",
            "reject_unrewritable_sender",
            "reject_full_mailbox",
            "defer_new_client",
        ],
        "commit": ["reject_unrewritable_message", "reject_impersonating_forward"],
    }


def test_blocklists_that_score_are_asked_beside_those_that_refuse() -> None:
    resolver, server = StaticResolver({}), FilterServer()
    scoring = Blocklists(["score.test"], resolver)
    facts = FactsWriter(None, scoring)
    verifier = Verifier("mail.example.org", resolver, InboundPolicy(), facts=facts)
    refusing = BlocklistAccess(Blocklists(["bl.test"], resolver), frozenset())
    restrict(
        server, blocklists=refusing, queue=None, recipients=None, greylist=None, verifier=verifier
    )
    assert restrictions(server) == {"connect": ["ask_blocklists", "reject_listed_client"]}


def test_what_is_not_wanted_is_not_asked() -> None:
    server = FilterServer()
    verifier = Verifier("mail.example.org", StaticResolver({}), InboundPolicy())
    restrict(server, blocklists=None, queue=None, recipients=None, greylist=None, verifier=verifier)
    assert restrictions(server) == {}


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--arc-seal", "a:b:/nowhere/key.pem", "--addresses", "{addresses}"], "/nowhere/key.pem"),
        (["--arc-seal", "nonsense", "--addresses", "{addresses}"], "DOMAIN:SELECTOR:KEYFILE"),
        (["--addresses", "/nowhere/addresses.json"], "/nowhere/addresses.json"),
        (["--srs-secret-file", "/nowhere/secret"], "/nowhere/secret: "),
        (["--srs-secret-file", "/dev/null"], "/dev/null: no secret in it"),
    ],
)
def test_it_does_not_start_with_what_it_cannot_use(
    arguments: list[str], error: str, tmp_path: Path
) -> None:
    addresses = tmp_path / "addresses.json"
    addresses.write_text('{"domains": [], "owners": {}}')
    command = [argument.replace("{addresses}", str(addresses)) for argument in arguments]
    done = subprocess.run(
        [sys.executable, "-m", "filters.inbound", *command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 2
    assert error in done.stderr


def test_a_refusal_is_the_first_ones_and_counts_are_written_at_the_end(tmp_path: Path) -> None:
    addresses = {"domains": ["example.org"], "owners": {"alice@example.org": []}}
    (tmp_path / "addresses.json").write_text(json.dumps(addresses))
    arguments = ["--addresses", str(tmp_path / "addresses.json"), "--spool", str(tmp_path)]
    arguments += ["--no-spf", "--nameserver", "127.0.0.1", "--dns-timeout", "0.1"]
    arguments += ["--greylist", str(tmp_path / "greylist.sqlite")]
    with Program("filters.inbound", *arguments) as program:
        program.report("link-connect", "h.test", "pass", "10.0.0.1:4000", "10.0.0.2:25")
        refusal = program.ask("rcpt-to", "bob@example.org")
        assert refusal == "reject|550 5.1.1 <bob@example.org>: no such user here"
        for _ in range(2):
            lines = ["From: a@far.test", "", "hello"]
            assert program.send("a@far.test", "alice@example.org", lines) == "proceed"
    assert program.process.returncode == 0
    clients = json.loads((tmp_path / "clients.json").read_text())["clients"]
    assert clients == {"gateway": 0, "other": 2}


def test_facts_stand_on_top_while_dns_is_down(tmp_path: Path) -> None:
    addresses = {"domains": ["example.org"], "owners": {"alice@example.org": ["alice@example.org"]}}
    (tmp_path / "addresses.json").write_text(json.dumps(addresses))
    arguments = ["--addresses", str(tmp_path / "addresses.json"), "--spool", str(tmp_path)]
    arguments += ["--nameserver", "127.0.0.1", "--dns-timeout", "0.1", "--no-spf"]
    arguments += ["--facts", "--dnsbl-score", "bl.test"]
    with Program("filters.inbound", *arguments) as program:
        program.report("link-connect", "h.test", "pass", "192.31.196.25:4000", "10.0.0.2:25")
        program.report("link-identify", "EHLO", "example.org")
        assert program.ask("connect", "h.test|192.31.196.25") == "proceed"
        lines = [
            "Received: from us",
            "From: a@far.test",
            "X-Signpost-Facts: dmarc=pass",
            "",
            "hello",
        ]
        assert program.send("a@far.test", "alice@example.org", lines) == "proceed"
        assert program.message[0] == (
            "X-Signpost-Facts: dmarc=temperror dkim=none spf=unknown rdns=ok helo=lies "
            "author=far.test"
        )
        assert program.message[1].startswith("Authentication-Results: ")
        # A client's own stays where it was: below the Received field, where it is nobody's word.
        assert program.message[-5:] == lines
    assert program.process.returncode == 0
