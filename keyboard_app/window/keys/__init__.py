"""The on-screen keyboard: keys, emoji, suggestions, and the text area."""
