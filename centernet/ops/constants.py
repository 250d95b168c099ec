"""Shared constants of the published models."""

from __future__ import annotations

import numpy as np

STRIDE = 4  # input pixels per output cell, in all networks
MAX_DETECTIONS = 100  # per image
KEYPOINT_BOX_SCALE = 1.2  # keypoint candidates must lie inside the object's box, scaled by this factor
PEAK_TOLERANCE = 1e-6  # Objects as Points: values this close to the neighborhood's maximum are peaks
EXACT_PEAK = 1e-30  # smaller than any difference of probabilities: only the maximum itself is a peak
Arrays = dict[str, np.ndarray]  # what a detector computes, by name
