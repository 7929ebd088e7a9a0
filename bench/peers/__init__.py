"""PyTorch and JAX as contestants; nothing of the product imports them."""
