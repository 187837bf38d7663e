"""The steps of a keyboard's part in a secure round, in order, each with its description for people."""

from federation.protocol import api_messages

LEARNING = "learning"  # the first part of the stage `api_messages.REPORTING`
STEPS = {
    api_messages.WAIT: "waiting until enough keyboards are there",
    api_messages.KEYS: "agreeing on secret keys with the other keyboards",
    api_messages.SHARES: "preparing for keyboards that drop out",
    LEARNING: "learning from your words",
    api_messages.REPORTING: "masking and sending what it learned",
    api_messages.CONSISTENCY: "checking that all keyboards agree on who takes part",
    api_messages.UNMASKING: "adding up what all keyboards learned",
}

# What a keyboard has done once its message of a stage has arrived, for people.
DONE = {
    api_messages.KEYS: "agreed on secret keys with the other keyboards",
    api_messages.SHARES: "prepared for keyboards that drop out",
    api_messages.REPORTING: "sent what it learned, masked",
    api_messages.CONSISTENCY: "agreed with the other keyboards on who takes part",
    api_messages.UNMASKING: "helped to add up what all keyboards learned",
}
# The same in a word discovery, where it differs.
DONE_WITH_WORDS = {
    api_messages.REPORTING: "sent the words that it offers, masked",
    api_messages.UNMASKING: "helped to add up the words that all keyboards offer",
}


def place(step: str) -> int:
    """Returns the position of a step in its round, counted from 1; 0 for the empty step outside of rounds."""
    return list(STEPS).index(step) + 1 if step else 0
