"""The acts: one file each, with what happens and what has to be found of it."""
