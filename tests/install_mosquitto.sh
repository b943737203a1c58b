#!/bin/sh
# Make sure there is a Mosquitto to compare with: the one that is there, or the system's package.
set -eu
PATH="$PATH:/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin"
if command -v mosquitto >/dev/null 2>&1; then
  echo "Comparisons use $(command -v mosquitto)"
  exit 0
fi
if ! command -v apt-get >/dev/null 2>&1; then
  echo "No Mosquitto found. Install one (macOS: brew install mosquitto) and run make again." >&2
  exit 1
fi
as_root=""
if [ "$(id -u)" -ne 0 ]; then
  echo "The tests compare with Mosquitto; installing the system's package needs root (sudo)."
  as_root="sudo"
fi
$as_root apt-get update -qq
$as_root apt-get install -y -qq --no-install-recommends mosquitto
