"""What is junk for whom: words, evidence, lessons. It does not know smtpd, IMAP nor Sieve.

All of an account lies in one folder of its home, `junk`. `python -m entrypoint.junk` says at each
delivery what a message looks like, and learns from what its reader does with it. It must never be
needed: mail goes on without it.
"""
