"""DNS as the engine asks it: the interface, the real resolver, and a zone that is a value.

dnspython reads the replies. Its own asynchronous resolver is not used: it opens a socket for each
question and asks a silent server anew each time, and a message costs nearly twice the processor
time with it (bench/results.md).
"""
