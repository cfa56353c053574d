"""The header of a message in the mailbox: its sender's fields, and the server's above."""

from __future__ import annotations

from bench.junk.corpus.draw import Draw
from bench.junk.corpus.mime import Part, phrase, unstructured
from bench.junk.corpus.sender import Sender
from bench.junk.corpus.world import OWNER, PLACES

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug")
DAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
# Programs that wrote it: in mail of people and of companies, in ham and in spam.
AGENTS = {
    "Thunderbird 128.4": (30, 6, 4, 1),
    "Apple Mail (2.3776)": (30, 4, 3, 1),
    "Microsoft Outlook 16.0": (20, 12, 8, 6),
    "K-9 Mail": (14, 2, 1, 1),
    "Evolution 3.54": (8, 2, 1, 1),
    "Mailkontor 4": (2, 3, 35, 6),
    "Rundbrief/2.1": (1, 6, 25, 14),
    "PHPMailer 6.9.1": (2, 35, 12, 40),
    "Massmailer 3": (0.5, 20, 3, 25),
    "swaks v20240103": (2, 3, 3, 2),
}
# Shares in ham and spam of what bulk mail and personal mail carry.
UNSUBSCRIBE = {"bulk": (0.75, 0.5), "personal": (0.02, 0.1)}
RARE = {
    "X-Priority: 1": (0.02, 0.05),
    "Precedence: bulk": (0.1, 0.08),
    "Auto-Submitted: auto-generated": (0.12, 0.04),
    "Importance: high": (0.015, 0.03),
    "X-Auto-Response-Suppress: All": (0.08, 0.05),
}


def header(draw: Draw, sender: Sender, subject: str, root: Part, *, spam: bool, number: int) -> str:
    """All fields. `number` orders the messages in time: from February to July 2026."""
    facts, style = sender.facts, Draw("style", sender.style)
    bulk = bool(sender.company or sender.list_name)
    hour, minute = draw.whole(0, 23), draw.whole(0, 59)
    month, day = 2 + number * 6 // 1000, 1 + (number * 168 // 1000) % 28
    # 1 February 2026 is a Sunday; months differ by what is left of whole weeks.
    weekday = (day - 1 + (0, 0, 3, 5, 1, 3, 6)[month - 2]) % 7
    zone = draw.weighted({"+0100": 4, "+0200": 4, "+0000": 3, "-0500": 1.2, "+0800": 0.5})
    clock = f"{hour:02}:{minute:02}:{draw.whole(0, 59):02}"
    when = f"{DAYS[weekday]}, {day} {MONTHS[month - 1]} 2026 {clock}"
    rdns, queue_id = facts.rdns_name or "<unknown>", draw.letters(8, "0123456789abcdef")
    fields = [
        f"Return-Path: <{facts.mail_from}>",
        f"Delivered-To: {OWNER.address}",
        f"Received: from {facts.helo_name} ({rdns} [{facts.client_address}])"
        f"\n\tby mail.{OWNER.domain} (OpenSMTPD) with ESMTPS id {queue_id}"
        f"\n\tfor <{OWNER.address}>;\n\t{when} {zone}",
    ]
    mail_server = facts.mail_from.rpartition("@")[2]
    for _ in range(draw.weighted({0: 3, 1: 5, 2: 2})):
        inner = f"{draw.one(('app', 'web', 'node', 'localhost', 'smtp'))}{draw.whole(1, 30)}"
        fields.append(
            f"Received: from {inner} ([10.{draw.whole(0, 255)}.{draw.whole(0, 255)}.7])\n\tby "
            f"{mail_server} with {draw.one(('ESMTP', 'ESMTPSA', 'HTTP', 'LMTP'))} id "
            f"{draw.letters(11)};\n\t{when} {zone}"
        )
    if facts.dkim != "none":
        signer = sender.domain if facts.dmarc == "pass" or facts.spf != "pass" else mail_server
        fields.append(
            f"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/{style.one(('relaxed', 'simple'))}; "
            f"d={signer};\n\ts={style.one(('s1', 'default', 'mail', 'k1', '2026', 'dkim'))}; "
            f"h=from:to:subject:date; bh={draw.letters(43)}=;"
            f"\n\tb={draw.letters(64)}\n\t{draw.letters(64)}=="
        )
    own = [
        f"From: {phrase(draw, sender.name)} <{sender.address}>".replace(":  <", ": <"),
        _to(draw, spam, sender),
        f"Subject: {unstructured(draw, subject)}",
        f"Date: {when} {zone}",
        f"Message-ID: <{_identifier(draw, style)}@{style.one((sender.domain, mail_server))}>",
        "MIME-Version: 1.0",
    ]
    if style.chance(0.5):
        own = [own[5], own[3], own[0], own[1], own[2], own[4]]
    fields += own
    if sender.reply_to:
        fields.append(f"Reply-To: {sender.reply_to}")
    if draw.chance(UNSUBSCRIBE["bulk" if bulk else "personal"][spam]):
        link = f"https://{sender.links}/u/{draw.letters(14)}"
        fields.append(f"List-Unsubscribe: <{link}>")
        if draw.chance(0.6):
            fields.append("List-Unsubscribe-Post: List-Unsubscribe=One-Click")
    if sender.list_name:
        where = f"{sender.list_name.partition('-')[0]}.example"
        fields += [f"List-Id: <{sender.list_name}.lists.{where}>"]
        fields += [f"List-Post: <mailto:{sender.list_name}@lists.{where}>"] * draw.chance(0.8)
    elif bulk and draw.chance(0.15 if not spam else 0.1):
        fields.append(f"Feedback-ID: {draw.letters(5)}:{draw.letters(6)}:{mail_server}")
    if subject.startswith(("Re:", "AW:")) and draw.chance(0.9 if not spam else 0.35):
        parent = f"<{draw.letters(16)}@{OWNER.domain if draw.chance(0.7) else sender.domain}>"
        fields += [f"In-Reply-To: {parent}", f"References: {parent}"]
    if draw.chance(0.5):
        # A sender keeps to one program.
        column = 2 * bulk + spam
        agent = style.weighted({name: shares[column] for name, shares in AGENTS.items()})
        fields.append(f"{style.one(('X-Mailer', 'User-Agent'))}: {agent}")
    fields += [field for field, shares in RARE.items() if draw.chance(shares[spam])]
    return "\n".join(fields) + "\n" + root.lines()


def _to(draw: Draw, spam: bool, sender: Sender) -> str:
    """Whom it says it is for."""
    name = f"{OWNER.first} {OWNER.last}"
    forms = {
        OWNER.address: 5.0,
        f"{name} <{OWNER.address}>": 4.0 if not spam else 2.2,
        "undisclosed-recipients:;": 0.15 if not spam else 0.5,
        f"{OWNER.address}, {draw.one(PLACES).lower()}@{OWNER.domain}": 0.3,
    }
    if sender.list_name and draw.chance(0.85):
        return f"To: {sender.list_name}@lists.{sender.list_name.partition('-')[0]}.example"
    to = draw.weighted(forms)
    return f"To: {to}" if to.isascii() else f"To: {OWNER.address}"


def _identifier(draw: Draw, style: Draw) -> str:
    return style.one(
        (
            draw.letters(32, "0123456789abcdef"),
            f"{draw.letters(8, '0123456789ABCDEF')}.{draw.letters(7, '0123456789')}",
            f"{draw.letters(10, '0123456789')}.{draw.letters(5)}",
            f"CA{draw.letters(40)}",
        )
    )
