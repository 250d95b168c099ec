"""Image sources (files, URLs, arrays, folders, videos, cameras) as uint8 RGB arrays."""
