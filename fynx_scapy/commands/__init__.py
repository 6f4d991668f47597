# SPDX-License-Identifier: GPL-2.0-or-later
"""The commands of ``fynx``, one file each, named after the command. Three files hold what they share:

options.py has the options, opening.py opens captures and output files, losses.py decides the exit status.
"""
