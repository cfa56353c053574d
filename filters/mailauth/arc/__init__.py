"""ARC (RFC 8617): chains of seals, verified and continued."""
