"""From environment variables to a running mail server, and the operator's commands."""
