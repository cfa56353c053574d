"""DKIM keys through their life: made, waiting for DNS, signing, old, removed.

`lifecycle` decides and does nothing; `store` does, step by step, so that a crash between any two
loses no key; `publication` asks the name servers, `observations` about many keys
at once; `ticker` brings them together.
"""
