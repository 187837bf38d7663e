"""Learning from recorded messages in the background, and figures of what learning brought."""
