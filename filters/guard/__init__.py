"""Blocks and rates: failed logins, recipients per account, DNS blocklists, greylisting.

Each module decides one of these and returns plain values; what a filter says to a client is made of
them beside this package (`filters.inbound_access`, `filters.submission_access`). It must not know
OpenSMTPD.
"""
