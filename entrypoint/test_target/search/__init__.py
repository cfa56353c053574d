"""Mailpit's search language, and three words of our own: text → terms → SQL, or a plain yes or no.

A query is a list of terms that all have to hold. It never fails: what cannot be understood is
passed over, as Mailpit does, or is a word to look for.
"""
