import asyncio

import pytest

from viveiro.serving import frames


def read_all(data: bytes):
    async def read():
        reader = asyncio.StreamReader()
        reader.feed_data(data)
        reader.feed_eof()
        messages = []
        while (message := await frames.read(reader)) is not None:
            messages.append(message)
        return messages

    return asyncio.run(read())


class TestFrames:
    """Messages on the socket between the web process and a model host."""

    def test_messages_come_out_as_they_went_in(self):
        messages = [{"id": 1, "texts": ["óleo", ""]}, {"id": 2, "body": b"\0\xff"}]
        assert read_all(b"".join(map(frames.pack, messages))) == messages

    @pytest.mark.parametrize(
        "broken",
        [
            frames.pack({"id": 1})[:-1],  # the sender died
            b"\0\0",
            (2**31).to_bytes(4, "big") + b"x",  # a length nobody sends
            (1).to_bytes(4, "big") + b"\xc1",  # no MessagePack
            (1).to_bytes(4, "big") + b"\x07",  # a number, not a map
        ],
    )
    def test_anything_else_is_a_broken_connection(self, broken):
        with pytest.raises(ConnectionError):
            read_all(broken)
