"""The errors a user can meet. Each says what is wrong and what to do; the CLI turns them into exit codes."""


class EunomiaError(Exception):
    """Something failed while running: exit code 1."""


class UsageError(EunomiaError):
    """What was asked for makes no sense here (unknown name, bad value): exit code 2."""


class PrivilegeError(EunomiaError):
    """The process lacks a capability the kernel asks for."""


class UnsupportedError(EunomiaError):
    """The kernel, or this machine, lacks a feature and no alternative is left."""


class LoadError(EunomiaError):
    """The kernel refused a BPF object.

    Attributes:
        log: the verifier's whole log, empty when it gave none.
    """

    def __init__(self, message: str, log: str = "") -> None:
        super().__init__(message)
        self.log = log


class LostEventsError(EunomiaError):
    """A handler has lost events that it had taken before.

    Attributes:
        events: how many, those of the batch that it was just given among them.
    """

    def __init__(self, message: str, events: int) -> None:
        super().__init__(message)
        self.events = events
