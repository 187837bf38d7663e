"""What the coordinator serves: the devices' API over HTTPS, the control API, and the dashboard."""
