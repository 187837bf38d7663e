#!/bin/sh
# The tests open real windows, on a virtual screen if necessary, use a real browser, and run Java. This script installs the packages
# that they need, or prints how to install them. tests/machine.py lists the packages.
set -eu

missing=$(python3 "$(dirname "$0")/machine.py")
if [ -z "$missing" ]; then
    exit 0
fi
packages=$(echo "$missing" | cut -d: -f1 | tr '\n' ' ')
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing the packages that the tests need:"
    echo "$missing"
    apt-get update -qq
    # shellcheck disable=SC2086 # several packages
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null
else
    echo "The tests need these packages:" >&2
    echo "$missing" >&2
    echo "Install them: sudo apt-get install $packages" >&2
    exit 1
fi
