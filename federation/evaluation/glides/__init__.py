"""Measurement of glide typing: synthetic hands, recorded gestures, and the decoder's figures on both."""
