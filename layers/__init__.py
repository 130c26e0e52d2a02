"""What exists: how a layer is read, checked and written."""
