"""A corpus of mail that is made, not collected: seeded, with two languages and held-out topics.

It was written before the filter that it measures, and knows nothing of it."""
