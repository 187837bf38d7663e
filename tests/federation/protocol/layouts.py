"""The layout of an encoded delta with one weight in a secure sum."""

from federation.protocol.delta_encoding import Encoding
from federation.protocol.secure_aggregation.modular_vectors import Segment


def segments_of(encoding: Encoding) -> tuple[Segment, Segment]:
    """Returns the segments of the coordinates and of the weight, which hold the sums over the whole cohort."""
    weights = Segment(1, (encoding.cohort * encoding.max_weight).bit_length())
    return Segment(encoding.padded, encoding.bits), weights
