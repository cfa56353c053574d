"""Reading DMARC aggregate reports. It must not know a running server."""
