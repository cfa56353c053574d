"""The certificate while the server runs: where it comes from, and how a new one goes live."""
