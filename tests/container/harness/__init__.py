"""What the container tests stand on: the peers' containers, and Signpost's own."""
