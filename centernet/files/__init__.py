"""Files, downloads and formats that every room shares."""
