"""The steps of a keyboard's part in a secure round, in order, and what is said of them to whoever watches."""

from federation.protocol import calls

LEARNING = "learning"  # before what it gives in the stage `calls.REPORTING`
STEPS = {
    calls.WAIT: "gathering the devices",
    calls.KEYS: "agreeing on keys with the other devices",
    calls.SHARES: "sharing out what makes up for devices that drop out",
    LEARNING: "learning from your words",
    calls.REPORTING: "masking what it learned, and sending that",
    calls.UNMASKING: "helping to unmask the sum of all",
}


def place(step: str) -> int:
    """How many steps have been begun, from 1 on; 0 outside of rounds."""
    return list(STEPS).index(step) + 1 if step else 0
