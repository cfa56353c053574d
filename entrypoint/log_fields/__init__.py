"""A message of the log → what it says, in fields of the same names whoever wrote it.

One module a writer, each pure: a text goes in, an event's name and its fields come out. What no
form fits has no fields: a stranger's text can become the value of the one that it is, and never a
field of its own. It must not know where lines come from, nor what is done with the fields.
Standard library only, as all that the log goes through.
"""
