"""Reports: what a record says of each container. Needs neither root nor Linux."""
