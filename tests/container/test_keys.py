"""DKIM keys through their life in a real container, with two name servers that can disagree.

`signpost keys check` stands for the moment when the server asks DNS by itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .harness.messages import key_pair, letter
from .harness.shell import fresh, run, wait_until
from .harness.signpost import Signpost
from .harness.world import World

DOMAIN = "rotate.test"
ALICE = (f"alice@{DOMAIN}", "alice-has-a-secret")
CONFIGURED = {"DOMAINS": DOMAIN, "ACCOUNTS": ":".join(ALICE)}
PLACE = 112


@pytest.fixture
def server(world: World, image: None) -> Iterator[Signpost]:
    with world.signpost(CONFIGURED, place=PLACE) as signpost:
        yield signpost
    publish(world, [])


def publish(world: World, *records: list[str]) -> None:
    """Have these in the zone, on both servers or on each its own."""
    world.ns.replace(DOMAIN, *records[0])
    world.ns2.replace(DOMAIN, *records[-1])


def printed(signpost: Signpost, form: str = "zone") -> list[str]:
    """The lines of the DKIM records."""
    lines = signpost.exec("signpost", "dns", DOMAIN, "--format", form).splitlines()
    return [line for line in lines if "._domainkey." in line and not line.startswith(";")]


def keys(signpost: Signpost) -> dict[str, dict[str, Any]]:
    """What is known of each key."""
    listed = json.loads(signpost.exec("signpost", "keys", "list", DOMAIN, "--json"))
    return {key["selector"]: key for key in listed}


def statuses(signpost: Signpost) -> dict[str, str]:
    return {selector: key["status"] for selector, key in keys(signpost).items()}


def check(signpost: Signpost) -> None:
    signpost.attempt("signpost", "keys", "check")


def signatures(world: World, signpost: Signpost) -> dict[str, str]:
    """Selector → result of the signatures of a message that leaves now."""
    recipient = fresh("reader") + "@far.test"
    signpost.submit(world.swaks, ALICE, to=recipient, message=letter(ALICE[0])).accepted()
    received = world.outside.wait_for_mail(recipient).message
    return {selector: result for _, selector, _, result in world.verify(received)}


def signs_with(world: World, signpost: Signpost, *selectors: str) -> bool:
    """The signer looks for other keys once a second."""
    good = dict.fromkeys(selectors, "pass")
    return bool(wait_until(lambda: signatures(world, signpost) == good, f"only {selectors}", 20))


def test_both_signatures_verify_with_each_form_that_is_printed(
    world: World, server: Signpost
) -> None:
    described = json.loads(server.exec("signpost", "dns", DOMAIN, "--json"))
    assert described["domain"] == DOMAIN
    assert all(set(each) == {"name", "type", "value", "purpose"} for each in described["records"])
    values = {
        each["name"]: each["value"]
        for each in described["records"]
        if "._domainkey." in each["name"]
    }
    assert len(values) == 2
    in_values = dict(line.split(" TXT ", 1) for line in printed(server, "values"))
    assert in_values == values
    # A web form's provider splits a value by itself, at any place it likes.
    split = {name: re.findall(".{1,200}", value) for name, value in in_values.items()}
    pasted = {
        "zone": printed(server),
        "strings": [line.replace(" TXT ", ". IN TXT ", 1) for line in printed(server, "strings")],
        "values": [
            f"{name}. IN TXT " + " ".join(f'"{part}"' for part in parts)
            for name, parts in split.items()
        ],
    }
    for form, lines in pasted.items():
        publish(world, lines)
        for name, value in values.items():
            (answer,) = world.ns2.ask(name, "TXT")
            assert re.sub(r'" ?"', "", answer).strip('"').replace("\\;", ";") == value, form
        recipient = fresh("reader") + "@far.test"
        server.submit(world.swaks, ALICE, to=recipient, message=letter(ALICE[0])).accepted()
        received = world.outside.wait_for_mail(recipient).message
        assert {(s, result) for _, s, _, result in world.verify(received)} == {
            ("mail", "pass"),
            ("mail-ed25519", "pass"),
        }, form
        world.exec_client("opendkim-testmsg", stdin=received)


def test_a_new_installation_is_loud_and_healthy(world: World, server: Signpost) -> None:
    publish(world, [])
    check(server)
    assert {key["dns"]["answer"] for key in keys(server).values()} == {"missing"}
    assert server.exec("signpost", "health").startswith("healthy")
    done = server.attempt("signpost", "keys", "check")
    assert b"error" not in done.stdout
    publish(world, printed(server))


def test_a_rotation_from_its_begin_to_its_end(world: World, server: Signpost) -> None:
    first = printed(server)
    publish(world, first)
    check(server)
    told = server.exec("signpost", "keys", "rotate", DOMAIN)
    following = [line for line in told.splitlines() if not line.startswith(";")]
    new = [line.partition("._domainkey")[0] for line in following]
    assert len(new) == 2
    assert printed(server) == first + following
    assert server.exec("signpost", "keys", "rotate", DOMAIN) == told

    def still_waits(*records: list[str]) -> str:
        publish(world, *records)
        check(server)
        assert statuses(server) == {"mail": "signing", "mail-ed25519": "signing"} | dict.fromkeys(
            new, "next"
        )
        assert signatures(world, server) == {"mail": "pass", "mail-ed25519": "pass"}
        (answer,) = {keys(server)[selector]["dns"]["answer"] for selector in new}
        return str(answer)

    wrong = [
        f"{line.partition(' IN ')[0]} IN {old.partition(' IN ')[2]}"
        for line, old in zip(following, first, strict=True)
    ]
    assert still_waits(first) == "missing"
    assert still_waits(first + following, first) == "partial"
    assert still_waits(first + following, first + wrong) == "wrong"
    publish(world, first + following)
    with world.ns2.silent():
        check(server)
        assert {keys(server)[selector]["dns"]["answer"] for selector in new} == {"unreachable"}

    publish(world, first + following)
    check(server)
    assert statuses(server) == {"mail": "old", "mail-ed25519": "old"} | dict.fromkeys(
        new, "signing"
    )
    assert signs_with(world, server, *new)
    # The old records have to stay, and so do their keys.
    assert sorted(printed(server)) == sorted(first + following)
    for selector in ("mail", new[0]):
        assert server.attempt("signpost", "keys", "remove", DOMAIN, selector).returncode == 1
    server.restart()
    assert signs_with(world, server, *new)


def test_killed_while_it_rotates_it_signs_with_what_is_published(
    world: World, server: Signpost
) -> None:
    publish(world, printed(server))
    check(server)
    server.exec("signpost", "keys", "rotate", DOMAIN)
    run("docker", "kill", "--signal", "KILL", server.container)
    server.start()
    assert list(statuses(server).values()) == ["signing", "signing", "next", "next"]
    assert signs_with(world, server, "mail", "mail-ed25519")
    publish(world, printed(server))
    check(server)
    run("docker", "kill", "--signal", "KILL", server.container)
    server.start()
    moved = [selector for selector, status in statuses(server).items() if status == "signing"]
    assert len(moved) == 2
    assert "mail" not in moved
    assert signs_with(world, server, *moved)


def test_an_upgrade_from_a_single_key(world: World, image: None) -> None:
    """As an older version left it: one RSA key, no state."""
    with world.signpost(CONFIGURED, place=PLACE) as signpost:
        first = printed(signpost)[:1]
        publish(world, first)
        signpost.exec("rm", "/data/dkim/state.json")
        signpost.exec("rm", f"/data/dkim/{DOMAIN}/mail-ed25519.pem", user="signer")
        signpost.start()
        assert statuses(signpost) == {"mail": "signing", "mail-ed25519": "next"}
        assert printed(signpost)[:1] == first
        assert signs_with(world, signpost, "mail")
        publish(world, printed(signpost))
        check(signpost)
        assert signs_with(world, signpost, "mail", "mail-ed25519")


def test_a_key_from_a_secret(world: World, image: None, tmp_path: Path) -> None:
    private, record = key_pair()
    secret = tmp_path / "key.pem"
    secret.write_bytes(private)
    secret.chmod(0o400)
    mounted = Path("/run/secrets/dkim")
    variables = {"DKIM_KEYS": f"{DOMAIN}:corp:{mounted}", "DKIM_KEY_TYPES": "rsa"}
    with world.signpost(
        {**CONFIGURED, **variables}, place=PLACE, mounts={str(mounted): secret}
    ) as signpost:
        assert statuses(signpost) == {"corp": "signing"}
        publish(world, [f"corp._domainkey.{DOMAIN}. IN TXT {record}"])
        assert signs_with(world, signpost, "corp")
        copy = f"/run/signpost/dkim/{DOMAIN}/corp.pem"
        assert signpost.exec("stat", "-c", "%a %U", copy, user="signer").split() == [
            "600",
            "signer",
        ]
