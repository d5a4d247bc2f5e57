"""What others are told over HTTP."""
