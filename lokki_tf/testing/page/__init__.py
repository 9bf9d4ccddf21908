"""The local AWS's page in the browser: what the account contains, without changing anything.

``application`` answers requests of browsers, ``account_data`` reads moto's backends, and
``template.html`` is the page. It contains no script and loads nothing.
"""
