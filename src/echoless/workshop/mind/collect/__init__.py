"""Gather talk from files of many kinds into one form: a reader for each kind, tried on the head of the file."""
