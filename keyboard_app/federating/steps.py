"""The steps of a keyboard's part in a secure round, in order, and what is said of them to whoever watches."""

from federation.protocol import api_messages

LEARNING = "learning"  # before what it gives in the stage `api_messages.REPORTING`
STEPS = {
    api_messages.WAIT: "gathering the devices",
    api_messages.KEYS: "agreeing on keys with the other devices",
    api_messages.SHARES: "sharing out what makes up for devices that drop out",
    LEARNING: "learning from your words",
    api_messages.REPORTING: "masking what it learned, and sending that",
    api_messages.UNMASKING: "helping to unmask the sum of all",
}


def place(step: str) -> int:
    """How many steps have been begun, from 1 on; 0 outside of rounds."""
    return list(STEPS).index(step) + 1 if step else 0
