#!/bin/sh
# The tests open real windows, on a virtual screen where there is none, and a real browser, and run Java. This installs what that
# takes, or says what to install; tests/machine.py lists it.
set -eu

missing=$(python3 "$(dirname "$0")/machine.py")
if [ -z "$missing" ]; then
    exit 0
fi
packages=$(echo "$missing" | cut -d: -f1 | tr '\n' ' ')
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "The tests need, and this installs:"
    echo "$missing"
    apt-get update -qq
    # shellcheck disable=SC2086 # several packages
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null
else
    echo "The tests need:" >&2
    echo "$missing" >&2
    echo "Install it: sudo apt-get install $packages" >&2
    exit 1
fi
