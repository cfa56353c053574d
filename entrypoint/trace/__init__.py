"""`signpost trace`: a message's way through the server, from the journal or from a log.

Lines go in, the events of the messages that belong together come out, as text for a person. It must
not know who wrote the lines, nor a running server.
"""
