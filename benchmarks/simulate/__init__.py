"""Models of what is not built."""
