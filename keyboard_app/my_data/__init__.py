"""The person's own data: read, search, delete, export and import messages."""
