"""Conversations in LiveKit rooms: joining one, a worker that is sent to many, and what watches over them."""
