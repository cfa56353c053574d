"""The listeners of smtpd: each with no filter, somebody else's or one of ours.

It knows the commands and how a message shows that one did its work; it starts nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.messages import OURS
from bench.server import RUN

PYTHON = "/opt/signpost/bin/python"
OTHERS = "/usr/libexec/opensmtpd"

SELECTOR = {"rsa": "rsa", "ed25519": "ed"}
KEYS = {kind: RUN / f"{kind}.pem" for kind in SELECTOR}
ADDRESSES = RUN / "addresses.json"
# Where our filters keep large messages: on disk, whatever the queue is on.
SPOOL = {"signer": Path("/var/tmp/signer"), "verifier": Path("/var/tmp/verifier")}
# Where rspamd listens; its filter needs to be told.
RSPAMD = "127.0.0.1:11333"
OUTSIDE = "example.com"
# What the submission filter reads as shipped, and what it registers with smtpd.
KEY_TABLE, LOOP_KEY = RUN / "dkim-keys", RUN / "loop-key"
UNSIGNED = SPOOL["signer"] / "unsigned.json"
REGISTRATIONS = RUN / "registrations"


@dataclass(frozen=True)
class Listener:
    """One listener. `command` None: no filter. `proof`: bytes that each of its messages holds."""

    name: str
    title: str
    command: str | None = None
    user: str = "nobody"
    group: str = "nogroup"
    proof: tuple[bytes, ...] = ()
    needs_rspamd: bool = False


def _ours_signing(kind: str) -> str:
    key = f"{OURS}:{SELECTOR[kind]}:{KEYS[kind]}"
    # Without addresses, as the peers: with them only mail of a login is signed, and nobody logs in.
    return f"{PYTHON} -m filters.submission {key} --spool {SPOOL['signer']}"


def _signer(name: str, title: str, command: str, kind: str = "rsa") -> Listener:
    """A filter that signs with our key of that kind."""
    proof = (f"d={OURS}", f"s={SELECTOR[kind]}", f"a={kind}-sha256")
    signed = tuple(text.encode() for text in proof)
    return Listener(name, title, command, user="signer", group="signer", proof=signed)


NONE = Listener("none", "no filter")
ECHO = Listener("echo", "bare echo of every line", f"{PYTHON} -I /srv/bench/echo.py")
DKIMSIGN = _signer(
    "dkimsign",
    "filter-dkimsign, RSA-2048",
    f"{OTHERS}/filter-dkimsign -a rsa-sha256 -c relaxed/relaxed"
    f" -d {OURS} -s {SELECTOR['rsa']} -k {KEYS['rsa']}",
)
SIGN_RSA = _signer("sign-rsa", "Signpost as a bare signer, RSA-2048", _ours_signing("rsa"))
# As templates/smtpd.conf.j2 has it; nobody counts failed logins, and no Dovecot is asked, since
# nothing is for a mailbox here.
AS_SHIPPED = _signer(
    "as-shipped",
    "Signpost as shipped, RSA-2048",
    f"{PYTHON} -m bench.as_shipped --spool {SPOOL['signer']} -c {KEY_TABLE}"
    f" --addresses {ADDRESSES} --loop-key {LOOP_KEY} --guard {RUN}/guard --unsigned {UNSIGNED}",
)
SIGN_IN_C = _signer(
    "limit",
    "the limit: C, one RSA-2048 a message",
    f"/usr/local/bin/limit {KEYS['rsa']} {REGISTRATIONS}",
)
SIGN_ED25519 = _signer(
    "sign-ed25519", "Signpost as a bare signer, Ed25519", _ours_signing("ed25519"), "ed25519"
)
FILTER_RSPAMD = Listener(
    "rspamd",
    "filter-rspamd with rspamd",
    f"{OTHERS}/filter-rspamd -url http://{RSPAMD}",
    proof=(b"dkim=pass", b"spf=pass", b"header.d=sender"),
    needs_rspamd=True,
)
VERIFY = Listener(
    "verify",
    "Signpost",
    f"{PYTHON} -m filters.inbound --addresses {ADDRESSES} --spool {SPOOL['verifier']}",
    user="verifier",
    group="verifier",
    proof=(b"dkim=pass", b"spf=pass", b"header.d=sender"),
)
# The same beside one that evaluates SPF each time; see counting_filter.
COUNTS = SPOOL["verifier"] / "counts"
_COUNTING = f"{PYTHON} -I /srv/bench/counting_filter.py"
VERIFY_COUNTED = replace(
    VERIFY,
    name="verify-counted",
    title="Signpost",
    command=f"{_COUNTING} {COUNTS} --addresses {ADDRESSES} --spool {SPOOL['verifier']}",
)
VERIFY_ANEW = replace(
    VERIFY_COUNTED,
    name="verify-anew",
    title="the same, SPF evaluated for each message",
    command=f"{_COUNTING} - --addresses {ADDRESSES} --spool {SPOOL['verifier']}",
)

SIGNING = (NONE, ECHO, DKIMSIGN, SIGN_IN_C, AS_SHIPPED, SIGN_RSA, SIGN_ED25519)
VERIFYING = (NONE, ECHO, FILTER_RSPAMD, VERIFY)
ALL = tuple(dict.fromkeys((*SIGNING, *VERIFYING, VERIFY_COUNTED, VERIFY_ANEW)))


def port(listener: Listener) -> int:
    """Where it listens."""
    return 2500 + ALL.index(listener)


def smtpd_conf(listeners: Sequence[Listener]) -> str:
    """One smtpd with a listener for each; deliveries never run, see Smtpd."""
    lines = [
        'table virtuals { "@' + OURS + '" = "vmail", "@' + OUTSIDE + '" = "vmail" }',
        f'admd "mail.{OURS}"',
        "smtp max-message-size 40M",
        "smtp limit max-mails 1000000",
    ]
    for listener in listeners:
        if listener.command is not None:
            lines.append(
                f'filter "{listener.name}" proc-exec "{listener.command}"'
                f" user {listener.user} group {listener.group}"
            )
    for listener in listeners:
        chain = "" if listener.command is None else f' filter "{listener.name}"'
        lines.append(f'listen on 127.0.0.1 port {port(listener)} hostname "mail.{OURS}"{chain}')
    lines += [
        'action "keep" mda "cat >/dev/null" virtual <virtuals>',
        f'match from any for domain {{ "{OURS}", "{OUTSIDE}" }} action "keep"',
    ]
    return "\n".join(lines) + "\n"
