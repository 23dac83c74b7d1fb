"""Data kept on this computer: past talks, preferences, presets, and sound if a person pressed Record. No provider's key."""
