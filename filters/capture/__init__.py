"""The filter of test mode: verifies as port 25's does, by DNS that a test gives, and hands each
message to the process that stores it, before smtpd says 250.

It knows that process by a UNIX socket alone. `frames`, `runs` and `zones` are for both ends of it
and know nothing of smtpd's filter protocol.
"""
