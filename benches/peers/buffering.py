"""A Python function that buffers: the whole answer in one post."""

from peer import events, message_of, post


def handler(event, context):
    connection, message = message_of(event)
    if message:
        chunks = [part["chunk"]["bytes"] for part in events(message) if "chunk" in part]
        text = b"".join(chunks).decode()
        post(connection, {"type": "TEXT_MESSAGE_CHUNK", "delta": text})
        post(connection, {"type": "RUN_FINISHED"})
    return {"statusCode": 200}
