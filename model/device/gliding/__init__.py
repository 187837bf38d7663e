"""Glide typing: a finger's path over the keys becomes words, in any layout and size."""
