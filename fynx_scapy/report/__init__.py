# SPDX-License-Identifier: GPL-2.0-or-later
"""Reports, each one HTML page without external resources: of a run (page.py), an audit, a matrix of trials; JUnit."""
