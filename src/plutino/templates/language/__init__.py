"""The template language: text to tokens to tree."""
