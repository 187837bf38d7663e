"""The steps of a keyboard's part in a secure round, in order, each with its description for people."""

from federation.protocol import api_messages

LEARNING = "learning"  # the first part of the stage `api_messages.REPORTING`
STEPS = {
    api_messages.WAIT: "gathering the devices",
    api_messages.KEYS: "agreeing on keys with the other devices",
    api_messages.SHARES: "sharing secrets that make up for devices that drop out",
    LEARNING: "learning from your words",
    api_messages.REPORTING: "masking and sending what it learned",
    api_messages.CONSISTENCY: "checking that all devices agree on who takes part",
    api_messages.UNMASKING: "helping to unmask the sum over all devices",
}


def place(step: str) -> int:
    """Returns the position of a step in its round, counted from 1; 0 for the empty step outside of rounds."""
    return list(STEPS).index(step) + 1 if step else 0
