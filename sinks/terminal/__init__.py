"""Shows the newest footprint bars of an asset as a coloured ladder in a terminal."""
