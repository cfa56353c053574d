"""The mailboxes that IMAP and POP3 show: each recipient's copy of a message, a file of a Maildir.

The store is what counts. Copies are written from it, and follow it when a message is deleted or
read there; what Dovecot's clients do to a copy goes back to it. It knows no SMTP and no HTTP.
"""
