"""Least privilege put to the proof: real programs in containers, what is learnt of them, and what holds of that."""
