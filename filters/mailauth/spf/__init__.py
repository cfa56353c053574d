"""SPF (RFC 7208), evaluated by pyspf with our resolver."""
