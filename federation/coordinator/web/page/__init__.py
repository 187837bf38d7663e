"""The page of the operator, and the gate before it."""
