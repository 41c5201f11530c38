"""Setups: each rule by scripted bars and events, and what all of them share."""
