"""Taking part in rounds."""
