"""From published packages to model folders."""
