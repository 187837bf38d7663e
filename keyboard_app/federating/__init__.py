"""Taking part in federated learning: joining a federation, its rounds, and rounds of a desktop on the same machine."""
