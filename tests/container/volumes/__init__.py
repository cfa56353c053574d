"""Volumes that an earlier version has written, for the tests to start this one on (README.md)."""
