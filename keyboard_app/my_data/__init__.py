"""The person's access to their own data: reading, searching, deleting, exporting and importing messages."""
