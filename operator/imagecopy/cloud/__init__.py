"""The cloud in the state machine's words: observations and actions of one ImageCopy, through its provider."""
