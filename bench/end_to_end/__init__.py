"""A message's whole way: from MAIL over port 25, verified, into the file in the mailbox.

Signpost as the image starts it, beside what others are made of. It runs apart from the other
measurements, because it needs an address that is not loopback's, and once on each kind of disk.
"""
