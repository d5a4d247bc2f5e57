"""The attack laboratory: real actions in real containers, and what the rules make of them."""
