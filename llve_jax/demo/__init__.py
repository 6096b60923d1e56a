"""A page to try the tool on: a dark picture or video in, a bright one out, side by side."""
