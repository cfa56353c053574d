"""The one process that applies changes while the server runs, without a restart.

`applier` says when, `apply` reads and renders, `reload` has it live, `duties` are what else is done
now and then; `control_socket` is how commands ask. Everything in it is awaited beside the rest.
"""
