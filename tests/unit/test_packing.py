"""Packed listings, selections and frames: golden files, an independent decoder, hostile input."""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import struct
import tracemalloc
import unicodedata
import zlib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inductiva_widgets import errors
from inductiva_widgets.service.packing import (
    decode_frame,
    encode_frame,
    pack_listing,
    selected_indices,
)
from inductiva_widgets.service.protocol import FileListing

TURNING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI", "B"}

GOLDEN = Path(__file__).parents[1] / "golden" / "protocol"


def transcript(name):
    return json.loads((GOLDEN / f"{name}.json").read_text())["messages"]


# -- golden files ------------------------------------------------------------------------------


def test_the_golden_listing_has_the_layout_that_we_pack():
    _, _, entry = transcript("outputs-list")
    meta = msgspec.convert(entry["message"]["result"], FileListing)
    frame = base64.b64decode(entry["buffers"][0])

    names, sizes, packed = unpack(meta.count, meta.names_bytes, frame)
    names_bytes, ours = pack_listing(names, sizes, packed)

    assert sum(sizes) == meta.size_bytes
    assert (names_bytes, gzip.decompress(ours)) == (meta.names_bytes, gzip.decompress(frame))


def test_the_golden_selection_is_read():
    call, *_ = transcript("outputs-select")
    download, *_ = transcript("download-done")
    (_, _, listing) = transcript("outputs-list")
    count = call["message"]["params"]["count"]

    chosen = selected_indices(base64.b64decode(call["buffers"][0]), count)

    assert count == listing["message"]["result"]["count"]
    assert chosen == [7, 10, 11, 12, 13, 14, 15, 16]
    assert call["buffers"] == download["buffers"]


# -- packed listing ----------------------------------------------------------------------------


def unpack(count, names_bytes, frame):
    """Straight from the description in protocol.ts, sharing nothing with the packer."""
    raw = zlib.decompress(frame, wbits=31)
    numbers_at = -(-names_bytes // 8) * 8
    assert len(raw) == numbers_at + 16 * count
    assert not any(raw[names_bytes:numbers_at])
    text = raw[:names_bytes].decode("utf-8")
    names = text.split("\n") if count else []
    assert len(names) == count
    numbers = struct.unpack_from(f"<{2 * count}d", raw, numbers_at)
    return names, list(numbers[:count]), list(numbers[count:])


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_categories=["Cs"])),
            st.integers(0, 2**53),
            st.integers(0, 2**53),
        )
    )
)
def test_any_listing_comes_back_letter_by_letter_but_what_cannot_be_seen(rows):
    names = [name for name, _, _ in rows]

    names_bytes, frame = pack_listing(names, [s for _, s, _ in rows], [p for _, _, p in rows])

    got = unpack(len(rows), names_bytes, frame)
    for said, name in zip(got[0], names, strict=True):
        assert len(said) == len(name)
        for ours, theirs in zip(said, name, strict=True):
            hidden = unicodedata.category(theirs) in ("Cc", "Cf", "Zl", "Zp")
            assert ours == theirs or (hidden and ours.isprintable())
            assert ours.isprintable() or unicodedata.bidirectional(ours) not in TURNING
    assert got[1:] == ([float(s) for _, s, _ in rows], [float(p) for _, _, p in rows])


def test_odd_names_never_break_the_rows():
    names = ["a\nb", "nul\0", "lone \ud800 surrogate", "\ufeffmark", "cr\r", "", "ü/日本.txt"]

    names_bytes, frame = pack_listing(names, [1] * 7, [2] * 7)

    got, _, _ = unpack(7, names_bytes, frame)
    said = ["a\u2424b", "nul\u2400", "lone ? surrogate", "\ufffdmark", "cr\u240d", "", "ü/日本.txt"]
    assert got == said


@pytest.mark.fault(103)
def test_a_hundred_thousand_names_fit_into_a_megabyte_and_a_half():
    names = [f"results/step_{i // 100:05d}/field_{i % 100:02d}.vtk" for i in range(100_000)]
    sizes = [(i * 2654435761) % 5_000_000 for i in range(100_000)]

    names_bytes, frame = pack_listing(names, sizes, [size // 3 for size in sizes])

    assert len(frame) <= 1_500_000
    assert unpack(100_000, names_bytes, frame)[0] == names


# -- selections --------------------------------------------------------------------------------


def bit_set(chosen, count):
    bits = bytearray((count + 7) // 8)
    for index in chosen:
        bits[index >> 3] |= 1 << (index & 7)
    return gzip.compress(bytes(bits))


@pytest.mark.parametrize("count", range(26))
def test_every_single_position_of_a_small_selection_is_found(count):
    assert selected_indices(bit_set([], count), count) == []
    assert selected_indices(bit_set(range(count), count), count) == list(range(count))
    for index in range(count):
        assert selected_indices(bit_set([index], count), count) == [index]


@given(st.integers(0, 300).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n)))))
def test_any_selection_is_what_was_ticked(drawn):
    count, ticked = drawn
    ticked = {index for index in ticked if index < count}

    assert selected_indices(bit_set(ticked, count), count) == sorted(ticked)


def test_bits_beyond_the_last_file_select_nothing():
    assert selected_indices(gzip.compress(b"\xff"), 3) == [0, 1, 2]


@pytest.mark.parametrize("size", [0, 1, 3, 100])
def test_a_selection_of_another_length_is_refused(size):
    with pytest.raises(errors.UserInputError, match="another list"):
        selected_indices(gzip.compress(bytes(size)), 16)


@given(st.binary(max_size=200))
def test_whatever_is_no_gzip_is_refused(data):
    try:
        gzip.decompress(data)
    except Exception:  # noqa: BLE001 - anything that cannot be unpacked
        with pytest.raises(errors.UserInputError):
            selected_indices(data, 8)


@given(st.binary(min_size=1, max_size=60), st.integers(10, 200), st.integers(0, 255))
def test_damaged_gzip_is_refused_or_read_but_never_another_error(bits, place, value):
    packed = bytearray(gzip.compress(bits))
    packed[place % len(packed)] = value
    with contextlib.suppress(errors.UserInputError):
        selected_indices(bytes(packed), 8 * len(bits))


def test_cut_gzip_is_refused():
    packed = gzip.compress(bytes(1000))
    for end in range(len(packed) - 8):
        with pytest.raises(errors.UserInputError):
            selected_indices(packed[:end], 8000)


@pytest.mark.parametrize("count", [8, 0, -8, -(10**9), 10**12])
def test_a_bomb_is_not_unpacked(count):
    bomb = gzip.compress(bytes(200_000_000), compresslevel=1)

    tracemalloc.start()
    try:
        with pytest.raises(errors.UserInputError):
            selected_indices(bomb, count)
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()


# -- frames ------------------------------------------------------------------------------------

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=10,
)
headers = st.dictionaries(st.text(max_size=8).filter(lambda key: key != "buffers"), json_values)


@given(headers, st.lists(st.binary(max_size=50), max_size=4))
def test_frames_come_back_as_they_were(header, buffers):
    assert decode_frame(encode_frame(header, buffers)) == (header, buffers)


@given(headers, st.lists(st.binary(max_size=20), max_size=3), st.data())
def test_a_cut_frame_is_refused(header, buffers, data):
    body = encode_frame(header, buffers)
    end = data.draw(st.integers(0, len(body) - 1))

    with pytest.raises(errors.UserInputError):
        decode_frame(body[:end])


@given(st.binary(max_size=100))
def test_noise_is_refused_or_a_frame_but_never_another_error(body):
    with contextlib.suppress(errors.UserInputError):
        decode_frame(body)


def frame(text, rest=b""):
    return struct.pack("<I", len(text)) + text + rest


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x01\x02",
        frame(b""),
        frame(b"[]"),
        frame(b"null"),
        frame(b'"text"'),
        frame(b"{"),
        frame(b'{"buffers": 3}'),
        frame(b'{"buffers": null}'),
        frame(b'{"buffers": ["x"]}'),
        frame(b'{"buffers": [[]]}'),
        frame(b'{"buffers": [-1, 1]}'),
        frame(b'{"buffers": [5]}', b"1234"),
        frame(b'{"buffers": [3]}', b"1234"),
        frame(b'{"buffers": [99999999999999999999]}'),
        frame(b'{"buffers": [1e308]}'),
        frame(b'{"buffers": [1e999]}'),
        frame(b"{}", b"left over"),
        struct.pack("<I", 2**32 - 1) + b"{}",
        frame(b"\xff\xfe{}"),
        frame(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    ],
)
def test_what_is_no_frame_is_refused(body):
    with pytest.raises(errors.UserInputError):
        decode_frame(body)
