"""A vocabulary of one's own: the `sheet` that says it, the `score` that measures it, the `rewrite` that teaches it."""
