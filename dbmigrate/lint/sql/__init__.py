"""What a statement says, as far as lint has to know: its shape, read from its tokens."""
