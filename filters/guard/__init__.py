"""Who may knock, and how often: failed logins, rates of sending, DNS blocklists, greylisting.

Each module decides one of these and returns plain values; what a filter says to a client is made of
them beside this package (`filters.inbound_access`, `filters.submission_access`). It must not know
OpenSMTPD.
"""
