"""Modules that several functions use; bundled with each of them."""
