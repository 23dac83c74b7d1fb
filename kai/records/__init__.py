"""What is kept on this computer: past talks, preferences, presets; sound only where it was switched on; nothing of a key."""
