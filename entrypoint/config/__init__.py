"""From the environment to Settings: the schema, the reading, the problems, the meanings.

It must not know what is done with Settings, nor what is in /data.
"""
