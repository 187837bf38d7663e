"""The two demos, each from typing to a federated model, and the HTML pages that report them."""
