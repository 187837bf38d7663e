"""The same rounds in other frameworks, each in an environment of its own."""
