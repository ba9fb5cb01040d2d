"""HP9xx: what only a live account can tell. Found by the pre-flight; described here."""
