"""What is junk for whom: words, evidence, lessons. It does not know smtpd, IMAP nor Sieve.

All of an account lies in one folder of its home, `junk`. `python -m entrypoint.junk` says at each
delivery what a message looks like, and learns from what its reader does with it. It must never be
needed: mail goes on without it.
"""

from __future__ import annotations

# As supervisor and health name it. Mail goes on without it: the container does not end with it.
PROGRAM = "junk"
