"""Where alerts go: each place behind a queue of its own and, where it can be away, a spool on disk."""
