# SPDX-License-Identifier: GPL-2.0-or-later
"""The commands of ``fynx``, one file each, named after the command. What several share is in three files:

options.py has the options, opening.py opens a capture and what is written, losses.py decides the exit status.
"""
