"""The library's own saved form."""
