"""Word discoveries over real devices: which words many keyboards have that the vocabulary lacks, and what the owner says to them."""
