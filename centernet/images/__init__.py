"""Anything to uint8 RGB images."""
