"""DNS as the engine asks it: the interface, the real resolver, and a zone that is a value."""
