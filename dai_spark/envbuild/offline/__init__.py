"""What a build without network is given."""
