"""`MODE=test`: from the environment to a running test target, as `commands.start` does it for mail.

Nothing of this is imported in production. It must not know how the target answers, nor the
filters: it writes their files and the target's own, and supervisor runs them.
"""
