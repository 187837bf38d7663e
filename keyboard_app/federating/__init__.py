"""Participation in federated learning: membership of a federation, its rounds, and rounds of a desktop on the same machine."""
