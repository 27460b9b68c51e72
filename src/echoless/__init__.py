"""Echoless: a real-time voice conversation on your own machine that never answers itself."""

__version__ = "0.1.0"
