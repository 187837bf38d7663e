"""The owner's control of devices and join links: a JSON API, and its part of the dashboard."""
