"""The device: what a person types, what is recorded of it, when the model learns from it, and what is shared."""
