"""Whether smtpd's sender rewriting (SRS) has room for an envelope sender.

smtpd rewrites the sender of what it forwards, after the queue, into a buffer of 256 bytes. Where
that fails it frees the sender and then sends what it has freed (mta_session.c, srs.c): whatever
memory holds by then leaves as MAIL FROM. So mail that it could not rewrite must not be accepted.
It knows addresses as smtpd completes them, and neither tables nor sessions.
"""

from __future__ import annotations

# SMTPD_MAXMAILADDRSIZE (smtpd-defines.h) is 255 and the NUL.
LONGEST_ADDRESS = 255
# Between the hash of an SRS1 local part and what follows it.
_SEPARATORS = "=+-"


def can_rewrite(sender: str, recipient_domain: str) -> bool:
    """Whether a sender can be rewritten for mail to an address in this domain of ours.

    `sender` is `local@domain`, or "" for the null sender, which is never rewritten.

    With L, D and R octets in the sender's local part, its domain and our domain (srs_encode):

        SRS0=HHHH=TT=domain=local@ours       13 + D + 1 + L + 1 + R  <= 255:  L + D + R <= 240
        SRS1=HHHH=domain==rest@ours          10 + D + 2 + (L - 5) + 1 + R:    L + D + R <= 247
        SRS1=HHHH=rest@ours                  10 + (L - 5) - 5 + 1 + R:        L + R <= 254

    The second is for what begins with SRS0=, in any case, whose first 5 octets it takes off; the
    third for SRS1=, of which it takes off the old hash and separator, too, unless there are none:
    another case in which it uses what it has freed.
    """
    if not sender:
        return True
    local, _, domain = sender.rpartition("@")
    size, prefix = len(local) + len(recipient_domain), local[:5].lower()
    if prefix == "srs0=":
        return size + len(domain) <= LONGEST_ADDRESS - 8
    if prefix == "srs1=":
        separator = f"{local[5:]}@{recipient_domain}"[4:5]
        return separator in _SEPARATORS and separator != "" and size <= LONGEST_ADDRESS - 1
    return size + len(domain) <= LONGEST_ADDRESS - 15
