"""A mailbox of another IMAP server → an account here: folders, flags, dates, and nothing twice.

The old server is only read. Messages go in through Dovecot's own imap program, as any mail program
would write them, while mail comes and is read. It must not know how a server starts, nor commands.
"""
