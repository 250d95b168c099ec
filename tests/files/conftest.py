"""Fixtures of the tests of files: a cache folder of their own, and a server on loopback."""

from server import own_cache, server  # noqa: F401
