"""What a person types with: keys, emoji, suggestions, and the text area."""
