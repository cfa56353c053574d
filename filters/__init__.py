"""Signpost's filters: programs for OpenSMTPD, usable without the image."""
