"""Detection: rules over batches, alone and over time, and the alerts that come of them."""
