"""The Insights page: charts of how fast Kai answered and how the talks went."""

from kai.ui import insights

insights.draw()
