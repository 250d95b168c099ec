"""Objects as Points (Zhou, Wang and Krähenbühl 2019, arXiv 1904.07850): an object is its center."""
