"""Modules shared by several functions; each function's bundle contains them."""
