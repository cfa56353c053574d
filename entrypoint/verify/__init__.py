"""`signpost verify` in parts: a question in words → the engine's facts → its verdict in words."""
