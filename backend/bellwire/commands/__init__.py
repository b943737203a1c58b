"""The commands of `bellwire`, one a file: their arguments and what they print."""
