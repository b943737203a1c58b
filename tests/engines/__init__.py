"""The client in other engines than Chromium's: `make test-engines`."""
