"""DKIM (RFC 6376, RFC 8463): keys, signatures, signing and verifying."""
