"""`federate benchmark`: one file for each part that it measures. It only reports; it asserts nothing."""
