"""Models that grow: words and phrases that many people use join a model's vocabulary and its phrases."""
