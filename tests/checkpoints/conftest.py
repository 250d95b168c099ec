"""Fixtures of the checkpoint tests: a cache folder of their own, and a server on loopback."""

from server import own_cache, server  # noqa: F401
