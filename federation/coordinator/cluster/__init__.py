"""Several coordinators for one federation: each answers devices, one of them leads, and all know the open round by its events."""
