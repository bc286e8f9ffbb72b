"""Tables and small plots for notebooks: HTML that needs nothing else, made of values that are already known.

This room knows no scorecard and no leaderboard. A class that shows itself in a notebook imports it in its
``_repr_html_``, describes what to show as `evalkit.notebook.fragment.Table`, and gets a text.
"""
