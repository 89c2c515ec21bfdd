"""Proofs: the tree over each organisation's log, its signed checkpoints, and what others can check without us."""
