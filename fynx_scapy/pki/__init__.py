# SPDX-License-Identifier: GPL-2.0-or-later
"""Keys and certificates: read from files, made for tests, judged. No Scapy, no sockets; nothing is ever fetched.

cryptography's x509 is slow to import: only users of certificates import the modules of this package.
"""
