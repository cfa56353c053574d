"""The page at `/`: the mailbox as it fills, a message with its verdict, the faults and the zone.

`routes` serves what stands in `static`: HTML, CSS and JavaScript as they are written, without a
build. The page asks the API of `api` and nothing else; it must not know the store.
"""
