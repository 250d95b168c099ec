"""Detectors in files that other programs run."""
