"""What is kept on this computer: past talks, preferences, presets. No sound, and nothing of a key."""
