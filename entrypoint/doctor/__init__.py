"""`signpost doctor`: what the world sees of this server, check by check, each with its cure.

A module for each group of checks: it compares this server (ThisServer) with what a resolver or
entrypoint.probe has seen, and returns findings. `examine` makes all of them, `watch` does so now
and then and logs what has changed. It must not know the environment, nor how findings are shown.
"""
