"""`federate serve`: coordinates secure rounds with keyboards on other machines.

Two more commands control it while it runs: `federate start` begins a round now, and `federate devices` lists its devices and join
links and changes them.
"""

import argparse
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from federation.aggregation.server_settings import DEVICE_ALGORITHMS
from federation.commands.options import (
    BadCallError,
    add_softmax_option,
    add_summation_options,
    add_trainable_option,
    non_negative_int,
    port_number,
    positive_int,
    positive_number,
)
from federation.coordinator.settings.federation_settings import FederationSettings
from federation.coordinator.settings.settings_change import ALL, values_of

_FOLDER = Path("hub")
_STAGES = ("selection", "keys", "shares", "reporting", "consistency", "unmasking")


def add_serve_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `federate serve`. A setting that is left out keeps the value that it has in the folder."""
    parser.epilog = (
        "Settings are kept in the folder: a later start changes those that are given, between two rounds, and says so. Those "
        "that earlier rounds depend on cannot change."
    )
    add_folder(parser)
    parser.add_argument("--model", type=Path, help="the global model to start from (default: the shipped model)")
    parser.add_argument(
        "--take-over",
        action="store_true",
        help="go on from --model in a federation that builds on another model; every device then changes to it, also to another "
        "vocabulary (default: refuse another model)",
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="the address to listen on, 0.0.0.0 for all (default: this machine only)"
    )
    parser.add_argument("--port", type=port_number, default=8470, help="the port for devices (default: %(default)s)")
    parser.add_argument(
        "--address", help="the name or address by which devices reach this machine (default: that of --host)"
    )
    parser.add_argument(
        "--control-port",
        type=port_number,
        default=8471,
        help="the dashboard's port, on this machine only (default: %(default)s)",
    )
    parser.add_argument(
        "--database",
        metavar="URL",
        help="a PostgreSQL database that keeps the rounds, as postgresql://user@host/name (default: a SQLite file in the folder)",
    )
    parser.add_argument(
        "--join-cluster",
        action="store_true",
        help="serve together with other processes that have the same --database, --folder and --port (default: alone)",
    )
    parser.add_argument(
        "--rounds",
        type=non_negative_int,
        help="rounds to schedule at startup (default: 5 in a new federation, otherwise those still scheduled)",
    )
    parser.add_argument(
        "--invite",
        type=non_negative_int,
        metavar="N",
        help="join links to print at startup (default: one for each device that is missing for a round)",
    )
    _add_settings(parser)
    add_summation_options(parser)
    parser.set_defaults(**dict.fromkeys(ALL))


def _add_settings(parser: argparse.ArgumentParser) -> None:
    default = {
        name: replace(ALL[name], unit="").shown(value) for name, value in values_of(FederationSettings()).items()
    }

    def add(name: str, parse: Any, text: str) -> None:
        parser.add_argument(f"--{name.replace('_', '-')}", type=parse, help=f"{text} (default: {default[name]})")

    add("minimum", positive_int, "minimum number of devices in a sum")
    add("target", positive_int, "maximum number of devices in a sum")
    add(
        "over_selection",
        positive_number,
        "devices to select per device of the target, of which some drop out; at most 1.11 above 100 devices",
    )
    add(
        "settle_seconds", positive_number, "seconds without another device, after which a round begins with the minimum"
    )
    for stage in _STAGES:
        add(f"{stage}_seconds", positive_number, f"maximum seconds of the {stage} stage")
    add("learning_rate", positive_number, "learning rate of the devices")
    add("passes", positive_int, "passes over a device's words in a round")
    add("max_words", positive_int, "maximum words of one device in a round")
    add_trainable_option(parser)
    add_softmax_option(parser)
    parser.add_argument("--algorithm", choices=DEVICE_ALGORITHMS, help="the server optimizer (default: fedavg)")
    parser.add_argument(
        "--server-learning-rate",
        type=positive_number,
        help="learning rate of the server optimizer (default: 1 for fedavg, 0.01 for the others)",
    )
    add("seed", int, "seed of the rotations of model deltas")


def run_serve(options: argparse.Namespace) -> dict[str, Any]:
    """Runs `federate serve` until it is stopped; returns the folder and the result of `serve.run`.

    Raises:
      BadCallError: `--take-over` is given without `--model`, or `--join-cluster` without `--database`.
      DataError: the options contradict each other, or `serve.run` raises it.
      OSError: a port is taken.
    """
    if options.join_cluster and options.database is None:
        raise BadCallError("--join-cluster needs the --database that the processes share")
    if options.take_over and options.model is None:
        raise BadCallError("--take-over needs the --model to take over")
    chosen = {name: value for name in ALL if (value := getattr(options, name)) is not None}
    from federation.coordinator.cluster.serving import run_in_cluster
    from federation.coordinator.serve import (  # the web servers take a second that other commands need not spend
        Places,
        run,
    )

    places = Places(
        *(options.folder, options.model, options.host, options.port, options.address, options.control_port),
        *(options.take_over, options.database),
    )
    serve = run_in_cluster if options.join_cluster else run
    return {"folder": str(options.folder)} | serve(places, chosen, options.rounds, options.invite)


def add_start_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `federate start`."""
    add_folder(parser)


def run_start(options: argparse.Namespace) -> dict[str, Any]:
    """Runs `federate start`; returns the folder and what the coordinator answered.

    Raises:
      DataError: no coordinator is running in the folder, or it cannot begin a round.
    """
    from federation.coordinator.web.control_client import ControlClient

    message = ControlClient(options.folder).start_now()
    print(message, file=sys.stderr)
    return {"folder": str(options.folder), "message": message}


def add_devices_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `federate devices`."""
    parser.epilog = (
        "DEVICE is a device's name, or the first six or more digits of its id. LINK is a link's id in the table."
    )
    add_folder(parser)
    change = parser.add_mutually_exclusive_group()
    change.add_argument(
        "--name", nargs=2, metavar=("DEVICE", "NAME"), help="give a device a name (default: names stay as they are)"
    )
    change.add_argument("--remove", metavar="DEVICE", help="remove a device for good (default: remove none)")
    change.add_argument(
        "--let-back", metavar="DEVICE", help="let a device back in that is left out of rounds (default: let none back)"
    )
    change.add_argument("--revoke", metavar="LINK", help="revoke a join link that is not used (default: revoke none)")


def run_devices(options: argparse.Namespace) -> dict[str, Any]:
    """Runs `federate devices`; returns the folder, the devices, and the join links, as they are after the change.

    Raises:
      DataError: no coordinator is running in the folder, or there is no such device or link.
    """
    from federation.coordinator.web.control_client import ControlClient
    from federation.coordinator.web.owner.device_rows import device_tables
    from federation.reports.tables import print_tables

    client = ControlClient(options.folder)
    if options.name:
        client.rename(*options.name)
    elif options.remove:
        client.remove(options.remove)
    elif options.let_back:
        client.let_back(options.let_back)
    elif options.revoke:
        client.revoke(options.revoke)
    devices, links = client.devices(), client.links()
    print_tables(device_tables(devices, links))
    return {
        "folder": str(options.folder),
        "devices": [asdict(device) for device in devices],
        "links": [asdict(link) for link in links],
    }


def add_folder(parser: argparse.ArgumentParser) -> None:
    """Adds the option that names the folder of a coordinator."""
    parser.add_argument(
        "--folder", type=Path, default=_FOLDER, help="the folder of the coordinator's data (default: %(default)s)"
    )
