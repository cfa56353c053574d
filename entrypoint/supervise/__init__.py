"""The programs of the container: run, logged, restarted, and ended with all that they started."""
