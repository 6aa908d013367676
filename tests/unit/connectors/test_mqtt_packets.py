"""PUBLISH packets are taken apart into runs and put together from payloads."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plutino.connectors.mqtt.packets import Header, MalformedError, Run, property_block, take_packets, take_varint, user_properties, varint


def read(data: bytes, version5: bool = False) -> tuple[list[Run], list[tuple[int, bytes]], int, int]:
    """Runs, other packets, bytes used and bytes needed."""
    runs: list[Run] = []
    others: list[tuple[int, bytes]] = []
    used, need = take_packets(data, version5, runs, lambda first, body: others.append((first, body)))
    return runs, others, used, need


def test_consecutive_messages_of_a_topic_are_one_run() -> None:
    """The order across topics is kept."""
    a, b = Header("a", 0, False, b""), Header("b", 0, False, b"")
    runs, others, used, need = read(a.join([b"1", b"2"]) + b.join([b"3"]) + a.join([b"4"]))
    assert [(r.topic, r.payloads, r.extras) for r in runs] == [(b"a", [b"1", b"2"], []), (b"b", [b"3"], []), (b"a", [b"4"], [])]
    assert (others, used, need) == ([], 24, 2)


def test_other_packets_are_handed_on() -> None:
    """A PUBACK between two messages."""
    a = Header("a", 0, False, b"")
    runs, others, _, _ = read(a.join([b"1"]) + b"\x40\x02\x00\x07" + a.join([b"2"]))
    assert others == [(0x40, b"\x00\x07")]
    assert [p for r in runs for p in r.payloads] == [b"1", b"2"]


_MESSAGE = st.tuples(st.sampled_from(["t", "long/topic/" * 9]), st.binary(max_size=300))


@given(st.lists(_MESSAGE, max_size=6), st.integers(0, 2000), st.booleans())
def test_a_cut_anywhere_loses_nothing(messages: list[tuple[str, bytes]], cut: int, version5: bool) -> None:
    """What is not whole yet stays, and what it needs is never more than there is to come."""
    data = b"".join(Header(topic, 0, False, b"\0" if version5 else b"").join([payload]) for topic, payload in messages)
    cut = min(cut, len(data))
    first, _, used, need = read(data[:cut], version5)
    assert used + need <= len(data) or used == len(data)
    second, _, rest, _ = read(data[used:], version5)
    found = [(r.topic.decode(), p) for r in first + second for p in r.payloads]
    assert found == messages
    assert used + rest == len(data)


def test_qos_and_user_properties_are_kept_per_message() -> None:
    """Only messages that have them cost anything."""
    plain = Header("a", 0, False, property_block({}))
    rich = Header("a", 1, True, property_block({"traceparent": "00-x-y-01", "k": "v"}))
    runs, _, _, _ = read(plain.join([b"1"]) + rich.numbered(b"2", 513) + plain.join([b"3"]), version5=True)
    [run] = runs
    assert run.payloads == [b"1", b"2", b"3"]
    [extra] = run.extras
    assert (extra.at, extra.first, extra.packet_id) == (1, 0x33, 513)
    assert user_properties(extra.properties) == {"traceparent": "00-x-y-01", "k": "v"}


def test_other_properties_are_passed_over() -> None:
    """Payload format, expiry, content type, correlation data and subscription identifier."""
    block = b"\x01\x01" + b"\x02\0\0\0\x05" + b"\x03\0\x01x" + b"\x09\0\x02ab" + b"\x0b\x81\x01" + b"\x23\0\x01" + b"\x26\0\x01a\0\x01b"
    assert user_properties(block) == {"a": "b"}


@pytest.mark.parametrize("data", [b"\x30\x03\0\x09a", b"\x30\xff\xff\xff\xff\x01", b"\x36\x02\0\0"])
def test_nonsense_is_refused(data: bytes) -> None:
    """A topic longer than its packet, a length without end, a packet id that is not there."""
    with pytest.raises((MalformedError, IndexError)):
        read(data)


@given(st.binary(max_size=200), st.booleans())
def test_random_bytes_are_read_or_refused(data: bytes, version5: bool) -> None:
    """No exception but those that close the connection."""
    runs: list[Run] = []
    used = 0
    try:
        used, _ = take_packets(data, version5, runs, lambda first, body: None)
        for run in runs:
            for extra in run.extras:
                user_properties(extra.properties)
    except (MalformedError, IndexError):
        used = -1
    assert used <= len(data)


@pytest.mark.parametrize("block", [b"\xff", b"\x26\0\x09a", b"\x0b\xff\xff\xff\xff"])
def test_unknown_properties_are_refused(block: bytes) -> None:
    """Better no metadata than wrong metadata."""
    with pytest.raises(MalformedError):
        user_properties(block)


@given(st.integers(0, 268_435_455))
def test_variable_byte_integers(value: int) -> None:
    """They read back."""
    assert take_varint(varint(value), 0) == (value, len(varint(value)))


def test_heads_of_many_sizes_are_forgotten() -> None:
    """The store of heads does not grow with the sizes of payloads."""
    header = Header("t", 0, False, b"")
    payloads = [b"x" * n for n in range(2500)]
    runs, _, _, _ = read(header.join(payloads))
    assert runs[0].payloads == payloads
    assert len(header._heads) <= 1001
