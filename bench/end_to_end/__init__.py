"""A message's whole way: from MAIL on 25 or 465, verified or signed, to a mailbox or an outside MX.

Signpost as the image starts it, beside what others are made of. It runs apart from the other
measurements, because it needs an address that is not loopback's, and once on each kind of disk.
"""
