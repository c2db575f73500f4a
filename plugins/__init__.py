"""Programs that take the place of provider binaries where those cannot be downloaded."""
