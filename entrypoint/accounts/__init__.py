"""Accounts, aliases and app passwords that commands keep in /data/accounts.

`changes` decides and does nothing; `merge` lays what is kept beside the environment's; `desk` does
it and makes it live.
"""
