"""The authentication engine: SPF, DKIM and Authentication-Results; it knows no OpenSMTPD."""
