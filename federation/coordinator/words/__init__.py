"""Word discoveries over real devices: finding the words that many keyboards have and the vocabulary lacks."""
