"""Secure aggregation: masks that cancel in the sum, and secret shares that replace the masks of devices that drop out."""
