"""A message as bytes → what a person sees in it. Nothing in it raises for hostile bytes."""
