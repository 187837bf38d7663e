"""What things cost, measured side by side: `federate benchmark`. It reports and asserts nothing."""
