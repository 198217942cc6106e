"""Is the repository true: its handler in a clean process, under the real SDK, against the recorded jobs."""
