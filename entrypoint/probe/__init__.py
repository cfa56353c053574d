"""What a running server shows to one who asks it: each port, socket, process and name server.

Nothing here judges: it reports an answer as it came, or how far the question got. It must not know
settings, and nothing it does may block: each question runs beside the others, under one deadline.
"""
