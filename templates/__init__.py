"""Jinja2 templates of every configuration file; data only, no code."""
