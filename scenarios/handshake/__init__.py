# SPDX-License-Identifier: GPL-2.0-or-later
"""IKE_SA_INIT and IKE_AUTH: what two peers agree on, and why they may not."""
