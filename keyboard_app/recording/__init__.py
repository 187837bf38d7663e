"""What was typed, sealed on this device."""
