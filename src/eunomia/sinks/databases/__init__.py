"""Events and alerts in databases: one file for each, behind a spool on disk."""
