"""Training on a borrowed machine: everything is packed here, runs there in legs, and comes back in small files."""
