"""Metrics for those who do not ask for them: sent now and then, and again until they are taken."""
