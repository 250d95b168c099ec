"""The page of `centernet demo`: its files, and the server of them."""
