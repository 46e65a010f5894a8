"""Looking into files of an archive behind a link: little is fetched, and oddities are named."""

from __future__ import annotations

import pytest
from archive_server import ArchiveServer, Source, zipped

from inductiva_widgets.api.links import LinkTransport
from inductiva_widgets.errors import UnsupportedMemberError, UserInputError
from inductiva_widgets.outputs.engine import Outputs
from inductiva_widgets.service import preview
from inductiva_widgets.service.preview import previewed

LOG = b"".join(b"Time = %d\n" % number for number in range(400_000))


@pytest.fixture
def outputs():
    """Outputs of an archive in memory, as a function of its bytes."""
    ends = []

    def make(archive):
        server = ArchiveServer(archive)
        transport = LinkTransport()
        ends.extend((transport.close, server.close))
        return Outputs(transport, Source(server))

    yield make
    for end in ends:
        end()


def look(made, **params):
    return previewed(made.files(), made.directory(), {"index": 0, **params})


def test_the_end_of_a_stored_file_is_read_alone(outputs):
    made = outputs(zipped({"a.log": LOG}, stored=True))

    meta, content = look(made, end=True)

    assert LOG[-preview.HEAD_BYTES :] == content
    assert len(LOG) - preview.HEAD_BYTES == meta.offset


def test_a_long_packed_file_is_not_unpacked_for_its_end(outputs, monkeypatch):
    monkeypatch.setattr(preview, "END_PACKED_BYTES", 1000)
    made = outputs(zipped({"a.log": LOG}))

    with pytest.raises(UserInputError, match="would have to be read") as raised:
        look(made, end=True)
    assert raised.value.hint == "Download the file."


def test_an_encrypted_file_is_named_as_such(outputs):
    archive = bytearray(zipped({"a.txt": b"secret"}))
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = archive.index(mark)
        while start >= 0:
            archive[start + flags] |= 1
            start = archive.find(mark, start + 4)

    with pytest.raises(UnsupportedMemberError, match="encrypted"):
        look(outputs(bytes(archive)))


def test_text_ends_where_previews_end(outputs):
    made = outputs(zipped({"a.log": LOG}))

    _, content = look(made, offset=preview.TEXT_BYTES - 10, length=preview.TEXT_BYTES)

    assert LOG[preview.TEXT_BYTES - 10 : preview.TEXT_BYTES] == content
