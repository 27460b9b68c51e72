"""Measurements through a real LiveKit server on loopback: latency beside livekit-agents, echo, load, a soak."""
