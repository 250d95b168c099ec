"""Keypoint Triplets: an object is two corners and a center (Duan 2019, arXiv 1904.08189)."""
