# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of `fynx_scapy.lab.responder`, from which a lab's strongSwan fetches OCSP answers."""

import socket
from collections.abc import Iterator
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest

from fynx_scapy.lab.responder import Responder


@pytest.fixture
def responder() -> Iterator[Responder]:
    made = Responder(socket.socket, b"an answer")
    yield made
    made.close()


def asked(responder: Responder, method: str) -> tuple[int, str | None, bytes]:
    connection = HTTPConnection(urlsplit(responder.uri).netloc, timeout=5)
    connection.request(method, "/", b"a question")
    response = connection.getresponse()
    told = response.status, response.headers["Content-Type"], response.read()
    connection.close()
    return told


def test_each_request_has_the_same_answer(responder: Responder) -> None:
    assert [asked(responder, "POST") for _ in "ab"] == [(200, "application/ocsp-response", b"an answer")] * 2


def test_it_only_knows_post(responder: Responder) -> None:
    assert asked(responder, "DELETE")[0] == 501


def test_nobody_answers_when_it_is_closed(responder: Responder) -> None:
    responder.close()
    with pytest.raises(ConnectionRefusedError):
        asked(responder, "POST")
