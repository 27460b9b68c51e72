"""Benches: commands that print the figures of the docs. Nothing imports them."""
