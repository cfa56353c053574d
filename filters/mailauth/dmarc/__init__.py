"""DMARC (RFC 9989): discovery of policies, identifier alignment, evaluation."""
