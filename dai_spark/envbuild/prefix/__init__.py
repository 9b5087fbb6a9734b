"""What is done to an installed prefix before it is packed."""
