"""Word discoveries over real devices: which words that the vocabulary lacks do many keyboards have?"""
