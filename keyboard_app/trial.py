"""A keyboard that is tried out with a federation on the same machine, as `federate playground` does.

Nobody should have to wait a minute to see a round: the keyboard takes part after a pause of two seconds, on a battery too. Its
person has agreed to recording and to taking part, in a profile that is thrown away afterwards.
"""

from federation.protocol.join_link import JoinLink
from keyboard_app.device import Device
from keyboard_app.federating.federation import Pace
from keyboard_app.federating.membership import Membership

PACE = Pace(rest=2.0, ask=2.0, on_battery=True)


def begin_trial(device: Device, link: str) -> None:
    """Joins the federation of a link, unless the profile has joined one already, and takes part in its rounds at a fast pace.

    Raises:
      DataError: the text is not a join link, or its certificate is not the coordinator's.
      RefusedError: the link's code is not valid.
      UnreachableError: the coordinator does not answer.
    """
    from keyboard_app.federating.headless import join  # imports an HTTP client

    profile, parsed = device.profile, JoinLink.parse(link)
    with Membership.open(profile.path, profile.vault, profile.notices) as membership:
        if membership.joined is None:
            join(membership, parsed)
    device.choose(consent=True, share_new_words=True)
    device.federation.pace = PACE
