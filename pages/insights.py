"""How fast Kai answered, and how the talks went, in charts."""

from kai.ui import insights

insights.draw()
