#!/bin/sh
# Make sure there is a program, the one that is there or the system's package of it:
#   install.sh PACKAGE "what uses it" "how to install it on macOS" COMMAND...
# COMMANDs are names and paths; one of them is enough.
set -eu
package=$1
who=$2
on_macos=$3
shift 3
PATH="$PATH:/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin"
for name in "$@"; do
  if command -v "$name" >/dev/null 2>&1; then
    echo "$who use $(command -v "$name")"
    exit 0
  fi
done
if ! command -v apt-get >/dev/null 2>&1; then
  echo "$who need $package, which was not found. Install it (macOS: $on_macos) and run make again." >&2
  exit 1
fi
as_root=""
if [ "$(id -u)" -ne 0 ]; then
  echo "$who need $package; installing the system's package of it needs root (sudo)."
  as_root="sudo"
fi
$as_root apt-get update -qq
$as_root apt-get install -y -qq --no-install-recommends "$package"
