"""How well filters learn what is junk, what that costs, and on which mail."""
