"""What goes wrong with guests, apart from the command that runs in one."""


class GuestError(Exception):
    """An image could not be built, or a guest did not come to its end: the message says what to do or shows why."""
