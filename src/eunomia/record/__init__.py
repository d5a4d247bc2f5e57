"""The record on disk: how it is laid out, read, replayed and queried. Needs neither root nor Linux."""
