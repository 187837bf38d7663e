"""The coordinator's servers: the devices' API over HTTPS, the control API, and the dashboard."""
