"""What the coordinator serves over HTTPS: the API of the devices, the control API, and the dashboard."""
