# SPDX-License-Identifier: GPL-2.0-or-later
"""Deliberate faults of an endpoint, each a switch: what a catalogue of negative tests has to find.

They are chosen from the sentences of the RFCs and from what implementations are known to get wrong, independently of
the tests that find them.
"""
