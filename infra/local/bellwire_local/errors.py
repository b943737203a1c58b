"""What can keep the stand-in from starting. How clients are refused lives where they are answered.

StandInError
├── PortInUse              another process listens where we were told to
├── PortUnusable           the address cannot be listened on for another reason
├── DataDirectoryUnusable  the directory, or a file in it, cannot be used
├── PolicyRefused          a policy document holds something we would not enforce faithfully
├── FaultsRefused          what is asked to go wrong cannot be read
├── ChoiceRefused          a choice where AWS is unknown is none, or its value is not possible
└── SetupRefused           the file of --setup cannot be read, or a part of it is none
"""

from pathlib import Path


class StandInError(Exception):
    """The stand-in cannot start; the message is one line for a person."""


class PortInUse(StandInError):
    """Another process listens on a port that was asked for."""

    def __init__(self, host: str, port: int, *, used_for: str) -> None:
        self.host, self.port = host, port
        super().__init__(
            f"port {port} on {host} is in use by another process; it is wanted for {used_for}"
        )


class PortUnusable(StandInError):
    """The host is not one of this machine's, or the port needs rights that are missing."""

    def __init__(self, host: str, port: int, why: str) -> None:
        self.host, self.port = host, port
        super().__init__(f"cannot listen on port {port} of {host}: {why}")


class DataDirectoryUnusable(StandInError):
    """The data directory cannot be made, read or written, or holds a file that is not ours."""

    def __init__(self, path: Path, why: str) -> None:
        self.path = path
        super().__init__(f"cannot use {path} as data: {why}")


class PolicyRefused(StandInError):
    """A policy document contains an element that would not be enforced as AWS enforces it."""


class FaultsRefused(StandInError):
    """What is asked to go wrong is not a fault, or its value is not of its kind."""


class ChoiceRefused(StandInError):
    """A choice where AWS's behaviour is unknown does not exist, or has no such value."""


class SetupRefused(StandInError):
    """The file with the pool, roles and accounts is none, or holds what is not possible."""
