"""Learning from recorded messages in the background, and measures of its effect."""
