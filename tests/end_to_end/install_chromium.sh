#!/bin/sh
# Make sure there is a Chromium for the end-to-end tests: the one that is there, or the system's package.
set -eu
for name in chromium chromium-browser google-chrome google-chrome-stable; do
  if command -v "$name" >/dev/null 2>&1; then
    echo "End-to-end tests use $(command -v "$name")"
    exit 0
  fi
done
if [ -x "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome" ]; then
  exit 0
fi
if ! command -v apt-get >/dev/null 2>&1; then
  echo "No Chromium or Chrome found. Install one (macOS: brew install --cask chromium) and run make again." >&2
  exit 1
fi
as_root=""
if [ "$(id -u)" -ne 0 ]; then
  echo "The end-to-end tests need a Chromium; installing the system's package needs root (sudo)."
  as_root="sudo"
fi
$as_root apt-get update -qq
$as_root apt-get install -y -qq --no-install-recommends chromium
