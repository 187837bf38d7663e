"""Secure aggregation: masks that cancel in the sum, and shares that replace those of devices that drop out."""
