"""What several functions need; bundled with each of them."""
