"""What a person can do with the recorded messages: read, search, delete, export, and import."""
