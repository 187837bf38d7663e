"""From keys to text, without a window."""
