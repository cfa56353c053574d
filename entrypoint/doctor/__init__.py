"""The doctor: what the world sees of this server, check by check, each with its cure.

A module for each group of checks. A check is given facts and a resolver or a probe, and returns
findings. It must not know the environment, nor how findings are shown.
"""
