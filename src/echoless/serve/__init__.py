"""The chat page: a small web server on loopback, its admission, and one call for each conversation."""
