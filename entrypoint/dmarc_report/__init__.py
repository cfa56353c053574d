"""Reading DMARC aggregate and failure reports. It must not know a running server."""
