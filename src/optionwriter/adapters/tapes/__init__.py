"""Markets read from recordings."""
