"""The demos, each from typing to a federated model, the HTML pages that report three of them, and the playground."""
