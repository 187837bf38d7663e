"""What a device computes in word discovery: which words it offers, and the two vectors of whole numbers that are summed."""
