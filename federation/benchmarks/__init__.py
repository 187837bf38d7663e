"""`federate benchmark`: a file for each part that it measures. It reports and asserts nothing."""
