"""Take out of collected text what should not be learnt, and say what went and why."""
