"""Metrics: numbers that whole batches are added to, and their text for who asks."""
