"""From the environment to Settings: the schema, the reading, the problems, what each variable means.

It must not know what is done with Settings, nor what is in /data.
"""
