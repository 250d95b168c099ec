"""The commands of `centernet`, one module each, and what they print and write."""
