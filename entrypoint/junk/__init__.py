"""What is junk for whom: words, evidence, lessons. It does not know smtpd, IMAP nor Sieve."""
