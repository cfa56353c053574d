"""Subcommands of `signpost`, one module each."""
