"""What a message looks like in JSON: Mailpit 1.30.5's shapes, with `Read` and `Extra` beside them.

Mailpit writes into a message what its envelope has beyond the header: Bcc, Return-Path, Message-ID.
Here the bytes stay as they came, and these stand in the JSON alone.
"""
