#!/bin/sh
# The tests open real windows, on a virtual screen where there is none. This installs what that takes, or says what to install.
set -eu

packages="xvfb libgl1 libgl1-mesa-dri"

if [ -n "${DISPLAY:-}" ] || command -v Xvfb >/dev/null; then
    exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null
else
    echo "The tests of the window need a display: sudo apt-get install $packages" >&2
    exit 1
fi
