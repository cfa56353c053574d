"""The web service: how mail programs find their settings, and the MTA-STS policy."""
