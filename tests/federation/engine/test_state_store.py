"""What happens when TensorFlow cannot write a state."""

import pytest

from data.errors import UserFacingError


def test_a_full_disk_is_one_clear_line() -> None:
    import tensorflow as tf

    from federation.engine.state_store import wait_for

    async def write() -> None:
        tf.io.write_file("/dev/full", "x" * 100_000)

    with pytest.raises(UserFacingError, match="the disk is full: free some space"):
        wait_for(write())
