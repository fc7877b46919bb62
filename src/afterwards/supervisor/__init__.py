"""Keeps worker processes running: starts children, replaces those that have died, stops them together.

The supervisor imports nothing of the user's, opens no store and runs no task. What it knows of its children they tell
it, once a second, over a socket; when that closes, each side knows that the other has gone.
"""
