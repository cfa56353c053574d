"""The mailboxes' part of the page. It must not measure anything."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from bench import accounts
from bench.large_mailbox import DELIVERY, IDLE, OPERATIONS, SIZES, Mailboxes
from bench.mail_servers import DovecotAlone, Signpost
from bench.mailboxes import Outcome
from bench.many_accounts import AGAIN, COUNTS, FIRST, Accounts
from bench.markdown import number, table
from bench.stuck import percentile

MB = 1_000_000
_OURS, _ALONE = Signpost.title, DovecotAlone.title
_SERVERS = (_OURS, _ALONE)
_ABOUT_ACCOUNTS = f"""\
`signpost start` under its supervisor, from nothing in /run to the line `signpost ready`; hashes are
`$6$` and `$y$` by turns, every account has a quota of {accounts.QUOTA}. Medians (lowest-highest).
Memory is the sum over all processes, with what they share counted in each, and (without files). The
message is signed and of 4 KB; it comes over port 25 and is verified.

"""
_LIMITS_OF_ACCOUNTS = """
A plain password is hashed at each start, one after the other: that is what many of them cost there.
`account add` starts Python, and waits for Dovecot, which looks at its list of accounts once in each
second of the clock.
"""
_ABOUT_LOGINS = f"""
### Logins by IMAP

Milliseconds from connect to the answer to LOGIN, p50 / p99, each over a new TLS connection and each
account in random order; {_ALONE} is the same package with a passwd-file of the same accounts, a
Maildir, and every other setting as it is by default.

"""
_LIMITS_OF_LOGINS = f"""
Signpost's logins go through PAM, which runs a small program twice to ask `filters.logins`; a
password that was right before costs no crypt(3) there. {_ALONE} computes it every time, and starts
a process for each connection's TLS, where Signpost's is there already.
"""
_ABOUT_MAILBOX = f"""
## A mailbox with {SIZES[1]:,} messages

Milliseconds, median of the rounds. The messages are of 4 KB, have been read, and were written into
the Maildir as Dovecot's LMTP names them, with their sizes; both servers have links to the same
files. The ratio is {_OURS}'s to {_ALONE}'s in the same round, with {SIZES[1]:,} messages.

"""
_LIMITS_OF_MAILBOX = """
The quota is what an APPEND and a delivery cost more with many messages: to know the sum, Dovecot
opens the mailbox once more and reads its list of file names, and without an index it adds up all
their sizes first. SEARCH BODY reads every message, on both. IDLE tells of a new message half a
second after it came, as Dovecot collects them.
"""


def mailboxes_section(outcome: Outcome) -> str:
    """Tables of accounts, logins and the mailbox, with what limits each."""
    few, many = COUNTS
    return (
        f"## {few} and {many:,} accounts\n\n{_ABOUT_ACCOUNTS}"
        + _accounts_table(outcome.accounts)
        + _LIMITS_OF_ACCOUNTS
        + _ABOUT_LOGINS
        + _logins_table(outcome.accounts)
        + _LIMITS_OF_LOGINS
        + _ABOUT_MAILBOX
        + _mailbox_table(outcome.mailboxes)
        + _LIMITS_OF_MAILBOX
    )


def _accounts_table(found: Accounts) -> str:
    few, many = COUNTS
    measured = [
        ("ready after, from hashes, s", [found.starts[count, False] for count in COUNTS], 1),
        ("ready after, plain passwords, s", [found.starts[count, True] for count in COUNTS], 1),
        ("its first `account add` at once, s", [found.added_at_once[c] for c in COUNTS], 1),
        ("`signpost account add` at rest, s", [found.added[count] for count in COUNTS], 1),
        ("RCPT until the message is there, ms", [found.delivered[count] for count in COUNTS], 1e3),
    ]
    rows = [
        [title, *(_spread(values, scale) for values in both), _ratio(both[1], both[0])]
        for title, both, scale in measured
    ]
    held = [found.memory[count] for count in COUNTS]
    rows.append(
        [
            "memory at rest, MB",
            *(f"**{one.resident / MB:.0f}** ({one.anonymous / MB:.0f})" for one in held),
            f"{held[1].resident / held[0].resident:.2f}",
        ]
    )
    head = [_OURS, f"{few} accounts", f"{many:,} accounts", f"{many:,} / {few}"]
    return table(head, rows)


def _logins_table(found: Accounts) -> str:
    titles = {FIRST: "the first of an account", AGAIN: "again"}
    rows = []
    for turn, title in titles.items():
        for scheme in accounts.SCHEMES:
            kinds = [(server, count) for count in COUNTS for server in _SERVERS]
            values = [found.logins_of(server, count, turn, scheme) for server, count in kinds]
            cells = [
                f"**{1e3 * median(one):.1f}** / {1e3 * percentile(one, 0.99):.1f}" for one in values
            ]
            rows.append([f"{title}, `{scheme}`", *cells, _ratio(values[2], values[3])])
    head = ["login", *(f"{server}, {count:,}" for count in COUNTS for server in _SERVERS)]
    return table([*head, f"ratio, {COUNTS[1]:,}"], rows)


def _mailbox_table(found: Mailboxes) -> str:
    rows = []
    for operation in (*OPERATIONS, DELIVERY, IDLE):
        cells = [
            _middle(found.of(operation, server, size)) for size in SIZES for server in _SERVERS
        ]
        ratios = found.ratios(operation, _OURS, _ALONE, SIZES[1])
        rows.append([operation, *cells, _spread(ratios, 1) if ratios else ""])
    head = ["ms", *(f"{server}, {size:,}" for size in SIZES for server in _SERVERS)]
    return table([*head, f"ratio, {SIZES[1]:,}"], rows)


def _middle(values: Sequence[float]) -> str:
    return f"**{number(1e3 * median(values))}**" if values else ""


def _spread(values: Sequence[float], scale: float) -> str:
    middle, lowest, highest = (scale * one for one in (median(values), min(values), max(values)))
    return f"**{number(middle)}** ({number(lowest)}-{number(highest)})"


def _ratio(values: Sequence[float], base: Sequence[float]) -> str:
    return f"{median(values) / median(base):.2f}"
