"""The two demos, each from typing to a federated model."""
