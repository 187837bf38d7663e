"""Fine-tuning on the device, and the gate that decides whether its result is used."""
