"""Word discovery on the desktop: thresholds, decoding of summed tables, differential privacy, and simulated rounds."""
