"""A soak: numbered messages go in and out by every route while everything fails that can fail.

`make soak` runs it, and prints what became of each message; tests/container/test_soak.py is its
short form. `ledger` compares what was answered with what was found and knows nothing of Docker.
"""
