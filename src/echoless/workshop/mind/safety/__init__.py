"""What is not fit to be heard: told by a classifier, answered neutrally, and trained away."""
