"""The real image, driven from outside: swaks, nsd and postfix in containers beside it."""
