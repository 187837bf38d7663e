#!/bin/sh
# The tests open real windows, on a virtual screen where there is none, and a real browser. This installs what that takes, or says
# what to install.
set -eu

packages=""
if [ -z "${DISPLAY:-}" ] && ! command -v Xvfb >/dev/null; then
    packages="xvfb libgl1 libgl1-mesa-dri"
fi
if ! command -v chromedriver >/dev/null; then
    packages="$packages chromium chromium-driver"
fi
if [ -z "$packages" ]; then
    exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq
    # shellcheck disable=SC2086 # several packages
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null
else
    echo "The tests need a display and a browser: sudo apt-get install $packages" >&2
    exit 1
fi
