"""Accounts, aliases and app passwords that commands write to /data/accounts.

`changes` decides and does nothing; `merge` lays what is stored beside the environment's. Commands
write it, and the maintenance process applies it.
"""
