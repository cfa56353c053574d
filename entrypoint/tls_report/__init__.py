"""Reading TLS reports (RFC 8460). It must not know a running server.

Files, mails and archives are opened by `dmarc_report`, for they come in the same ways.
"""
