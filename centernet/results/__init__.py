"""Detections: rows, conversions, drawing."""
