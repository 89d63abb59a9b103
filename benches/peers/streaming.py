"""A Python function that streams: each chunk is posted before the next is read."""

from peer import events, message_of, post


def handler(event, context):
    connection, message = message_of(event)
    if message:
        for part in events(message):
            if "chunk" in part:
                text = part["chunk"]["bytes"].decode()
                post(connection, {"type": "TEXT_MESSAGE_CHUNK", "delta": text})
            elif "trace" in part:
                post(connection, {"type": "RAW", "event": part})
        post(connection, {"type": "RUN_FINISHED"})
    return {"statusCode": 200}
