"""Fills a Signpost of an earlier image and records its volumes; README.md says more.

    python -m tests.container.volumes.record IMAGE NAME

writes NAME.tar.xz and NAME.json beside this file. Everything comes about by commands and by mail.
"""

from __future__ import annotations

import argparse
import io
import json
import lzma
import tarfile
import time
from pathlib import Path
from typing import Any

from filters.guard.login_guard import PAIR_LIMIT
from tests.container.harness.imap import any_certificate, mailbox
from tests.container.harness.managesieve import ManageSieve
from tests.container.harness.messages import letter
from tests.container.harness.shell import run, wait_until
from tests.container.harness.signpost import PEERS, Signpost
from tests.container.harness.world import World
from tests.container.test_guard import find_the_way, log_in
from tests.container.volumes import recording

PLACE = 112  # where the MX record of rotate.test points to
DOMAIN = "rotate.test"
ALICE = (f"alice@{DOMAIN}", "alice has a secret")
DAVE = (f"dave@{DOMAIN}", "dave: has | another")
ERIN = (f"erin@{DOMAIN}", "erin-has-a-third")
FULL = (f"full@{DOMAIN}", "full of mail")
ENVIRONMENT = {
    "MAIL_HOSTNAME": f"mail.{DOMAIN}",
    "DOMAINS": DOMAIN,
    "ACCOUNTS": ":".join(ALICE),
    "ALIASES": f"info@{DOMAIN}: {ALICE[0]}",
    "ARC_SEAL": "yes",
    "GREYLIST": "1s",
    "MESSAGE_RATELIMIT": "5/d",
}
SORTED = 'require ["fileinto", "mailbox"];\nfileinto :create "sorted";\n'
# Public addresses of AS112, for what does not concern private ones: a client that has tried again,
# and one whose logins have failed.
CLIENT, ATTACKER = "192.31.196.25", "192.31.196.68"
GREYLISTED = "someone@spfnone.test"
WAITING = [f"waiting{number}@far.test" for number in range(5)]
LARGE = b"The same line again and again.\r\n" * 22_000  # more than half of 1M


def fill(world: World, signpost: Signpost) -> dict[str, Any]:
    """Fill it by commands and mail, and stop it; what a later version has to find."""
    for server in (world.ns, world.ns2):
        server.replace(DOMAIN, *signpost.dkim_records(DOMAIN))
    signpost.attempt("signpost", "keys", "check")
    signpost.exec("signpost", "keys", "rotate", DOMAIN)
    for address, password in (DAVE, ERIN):
        signpost.exec("signpost", "account", "add", address, stdin=f"{password}\n".encode())
    quota = ("account", "add", FULL[0], "--quota", "1M")
    signpost.exec("signpost", *quota, stdin=f"{FULL[1]}\n".encode())
    signpost.exec("signpost", "alias", "add", f"team@{DOMAIN}", ALICE[0], DAVE[0])
    app_passwords = {
        address: signpost.exec("signpost", "app-password", "add", address, "phone").strip()
        for address in (ALICE[0], DAVE[0])
    }
    for login in (ALICE, DAVE, *app_passwords.items()):
        with mailbox(signpost.v4, login):
            pass
    messages = _deliver(world, signpost)
    for number in range(PAIR_LIMIT):
        guess = (DAVE[0], f"guess {number}")
        assert log_in(world.swaks, signpost, ATTACKER, guess).code == 535
    assert log_in(world.swaks, signpost, ATTACKER, DAVE).code == 421
    listed = recording.listed(signpost, DOMAIN)
    _fill_queue_and_stop(world, signpost)
    return {
        "environment": ENVIRONMENT,
        "logins": dict((ALICE, DAVE, ERIN, FULL)),
        "app_passwords": app_passwords,
        "sorted": DAVE[0],
        "messages": messages,
        "full": FULL[0],
        "client": CLIENT,
        "greylisted": GREYLISTED,
        "attacker": ATTACKER,
        "blocked": DAVE[0],
        "spent": ALICE[0],
        "waiting": WAITING,
        "undelivered": ERIN[0],
        "listed": listed,
    }


def _deliver(world: World, signpost: Signpost) -> dict[str, Any]:
    """Mail in folders, with flags; a mailbox with no room; a client that came again."""
    with mailbox(signpost.v4, ALICE) as box:
        box.session.create("lists")
    with ManageSieve(signpost.v4).start_tls(any_certificate()).login(*DAVE) as sieve:
        sieve.activate(SORTED)
    for to, token, address, folder in (
        (ALICE[0], "first", ALICE[0], "Maildir"),
        (f"info@{DOMAIN}", "second", ALICE[0], "Maildir"),
        (f"alice+lists@{DOMAIN}", "third", ALICE[0], "Maildir/.lists"),
        (DAVE[0], "fourth", DAVE[0], "Maildir/.sorted"),
    ):
        world.swaks(signpost.v4, to=to, message=letter(to=to, token=token)).accepted()
        signpost.wait_for_mail(address, token, folder=folder)

    def comes_again() -> bool:
        message = letter(GREYLISTED, token="fifth")
        done = world.swaks(
            signpost.v4, source=CLIENT, sender=GREYLISTED, to=ALICE[0], message=message
        )
        return done.exit_code == 0

    assert not comes_again()
    wait_until(comes_again, "the client to be let in")
    # The second is above the quota, by what is allowed once; the third finds no room.
    for token in ("large", "larger"):
        message = letter(to=FULL[0], body=LARGE, token=token)
        world.swaks(signpost.v4, to=FULL[0], message=message).accepted()
        signpost.wait_for_mail(FULL[0], token)
    assert world.swaks(signpost.v4, to=FULL[0], quit_after="RCPT").code == 552
    signpost.wait_for_mail(ALICE[0], "fifth")
    with mailbox(signpost.v4, ALICE) as box:
        box.session.select("INBOX")
        box.session.store("1", "+FLAGS", r"(\Seen \Answered)")
        box.session.store("2", "+FLAGS", r"(\Seen \Flagged $Label1)")
    found = {}
    for login in (ALICE, DAVE, FULL):
        found[login[0]] = recording.messages(signpost.v4, login)
    assert len(found[ALICE[0]]["INBOX"]["messages"]) == 3, found
    return found


def _fill_queue_and_stop(world: World, signpost: Signpost) -> None:
    """Mail for elsewhere and for here that waits; the account's sending limit is met."""
    # A file where a folder has to be made: the delivery is tried again later.
    path = f"/data/mail/{DOMAIN}/{ERIN[0].partition('@')[0]}"
    signpost.exec("touch", path, user="vmail")
    message = letter(to=ERIN[0], token="sixth")
    world.swaks(signpost.v4, to=ERIN[0], message=message).accepted()
    with world.outside.deferring():
        for to in (WAITING[:1], WAITING[1:]):
            signpost.submit(
                world.swaks, ALICE, to=",".join(to), message=letter(ALICE[0], to=to[0])
            ).accepted()
        refused = signpost.submit(world.swaks, ALICE, to="more@far.test").outcome
        assert refused.code // 100 == 4, refused
        for address in WAITING:
            signpost.wait_for_log(rf"mta delivery .*{address}.*TempFail")
        signpost.wait_for_log(rf"mda delivery .*{ERIN[0]}.*TempFail")
        signpost.stop()
    signpost.files("rm", path)


def archive(signpost: Signpost) -> bytes:
    """Both volumes as a tar, with numbers for owners; sockets and pipes are of one start."""
    packed = run(
        *("docker", "run", "--rm", *signpost.volumes(), "--entrypoint", "tar"),
        *(PEERS, "-C", "/", "-c", "--numeric-owner", "--sort=name", *recording.VOLUMES),
    )
    plain = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(packed)) as read,
        tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as written,
    ):
        for member in read:
            if member.isfile() or member.isdir() or member.issym() or member.islnk():
                written.addfile(member, read.extractfile(member) if member.isfile() else None)
    return lzma.compress(plain.getvalue(), preset=9 | lzma.PRESET_EXTREME)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("image")
    parser.add_argument("name", help="the commit that the image is of")
    options = parser.parse_args()
    beside = Path(__file__).parent / options.name
    with World() as world:
        signpost = world.signpost(ENVIRONMENT, place=PLACE)
        signpost.image = options.image
        for address in (CLIENT, ATTACKER):
            world.exec_client("ip", "address", "replace", f"{address}/32", "dev", "eth0")
        with signpost:
            find_the_way(signpost)
            expected = fill(world, signpost)
            recorded = {"recorded": int(time.time()), "users": _users(options.image), **expected}
            beside.with_suffix(".tar.xz").write_bytes(archive(signpost))
    text = json.dumps(recorded, indent=2, ensure_ascii=False)
    beside.with_suffix(".json").write_text(f"{text}\n")


def _users(image: str) -> dict[str, list[int]]:
    """The numbers of the image's users and groups, by name."""
    lines = run("docker", "run", "--rm", "--entrypoint", "cat", image, "/etc/passwd").decode()
    fields = [line.split(":") for line in lines.splitlines()]
    return {name: [int(uid), int(gid)] for name, _, uid, gid, *_ in fields if int(uid) >= 100}


if __name__ == "__main__":
    main()
