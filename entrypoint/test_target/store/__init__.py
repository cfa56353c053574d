"""One SQLite file with what was received: one thread writes, a few read, all of it may be killed.

What `Mailbox.add` has answered for is on file whatever becomes of this process: SQLite has handed
it to the kernel. It need not be on the disk itself (synchronous=NORMAL): a machine that loses its
power loses the test along with the messages, and an fsync for each would cost every test its time.
The file itself is whole after either.
"""
