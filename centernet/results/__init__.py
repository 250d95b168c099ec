"""Detections: fields, rows, conversions, drawing."""
