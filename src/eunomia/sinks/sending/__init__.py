"""What it takes to hand something to a place that may be away: a spool on disk, and patience."""
