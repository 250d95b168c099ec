"""Constants of the published models that several rooms share."""

from __future__ import annotations

STRIDE = 4  # input pixels per output cell, in all networks
MAX_DETECTIONS = 100  # boxes read from a heatmap
KEYPOINT_BOX_SCALE = 1.2  # keypoint candidates lie inside the object's box scaled by this about its center
PEAK_TOLERANCE = 1e-6  # Objects as Points: a value this close to the maximum of its neighborhood is a peak
EQUAL = 1e-30  # below any difference of two probabilities: only the maximum itself is a peak
