"""What happened to each message, written down in /data/journal for `signpost trace`.

Whoever logs hands an event over and goes on: nothing here is waited for. It must not know what an
event means. Standard library only, as all that the log goes through.
"""
