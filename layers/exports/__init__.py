"""What is written: one module per family of formats, each file whole or not at all."""
