# SPDX-License-Identifier: GPL-2.0-or-later
"""A message with a higher major version."""

from __future__ import annotations

from fynx_scapy.harness import Run, expect, forge, main, scenario


@scenario(
    "RFC 7296 section 2.5",
    requirements=("7296-2.5-02", "7296-1.5-i01", "7296-1.5-i02", "7296-3.1-06", "7296-3.1-11"),
    live=True,
)
def error_major_version(run: Run) -> None:
    """A higher major version is answered in the clear with INVALID_MAJOR_VERSION and our version."""
    s = run.session()
    # HDR(version 3.0)  -->
    answers = forge(s, version=0x30, exch_type="IKE_SA_INIT", init_SPI=b"A" * 8, id=0)
    expect(len(answers), "answers").equals(1)
    answer = answers[0]
    # <--  HDR(version 2.0), N(INVALID_MAJOR_VERSION)
    expect(answer).exchange("IKE_SA_INIT").response().notify_data("INVALID_MAJOR_VERSION").equals(b"")
    expect(answer.version, "version").equals(0x20)
    expect(answer.init_SPI, "initiator SPI").equals(b"A" * 8)
    # A response is never answered.
    expect(forge(s, version=0x30, exch_type="IKE_SA_INIT", init_SPI=b"A" * 8, flags=0x20), "answers").fails()


if __name__ == "__main__":
    main(__file__)
