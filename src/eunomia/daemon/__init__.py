"""The daemon: an agent and a detector that go on unattended, alerts on their way, and somebody to ask how it goes."""
