"""What the studio sends to browsers: the rater's page and its files.

``templates/`` are Jinja templates; ``static/`` has the style, the modules and ``strings.json``, the page's words in six
languages. No file is made by a build step; a browser reads the modules as they are.
"""
