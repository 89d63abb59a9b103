"""What is tried over the WebSocket. Each check takes the deployment, and returns an outcome."""

import json
import time

import advice
from address import NoConnection, milliseconds
from report import duration, no, not_asked, not_seen, yes
from run import Run, new_conversation
from websocket import TEXT, Closed, Refused, Silence

# What API Gateway takes in a frame and in a message, in bytes.
FRAME_BYTES = 32_768
MESSAGE_BYTES = 131_072

# An origin that is nobody's (RFC 2606).
FOREIGN_ORIGIN = "https://live-check.invalid"

# API Gateway ends connections that are idle for so long, in minutes.
IDLE_LIMIT = 10

# How long after the wish a run may be under way that is stopped: the relay looks once a second.
STOP_SECONDS = 5

# Below this, an answer is too short to tell a stream from a lump, in milliseconds.
SHORT_ANSWER = 500

LONGER_PROMPT = "Give a --prompt whose answer takes some seconds"

# The relay speaks twice a minute, unless KEEPALIVE_SECONDS says otherwise; with what a network takes besides.
KEEPALIVE_LIMIT = 40


def handshake(deployment):
    """The first connection, which the first answer is asked over."""
    try:
        socket = deployment.connect()
    except (NoConnection, Refused) as error:
        return deployment.no_connection(error)
    deployment.first = socket
    protocol = socket.headers.get("sec-websocket-protocol")
    if deployment.credential and protocol != "agent-relay":
        todo = "The function's response to $connect must repeat agent-relay, or browsers end the connection at once"
        return no(f"the subprotocol is {protocol}, not agent-relay", todo, **socket.figures)
    figures = socket.figures
    parts = [f"TCP {duration(figures['tcpMs'])}"]
    if "tls" in figures:
        parts.append(f"{figures['tls']} {duration(figures['tlsMs'])}")
    parts.append(f"upgrade {duration(figures['upgradeMs'])}")
    return yes(f"after {duration(figures['handshakeMs'])} ({', '.join(parts)})", **figures)


def first_answer(deployment):
    """A prompt over the first connection: where nobody has asked for long, all of it is cold."""
    with deployment.first as socket:
        run = deployment.ask(socket)
        wrong = deployment.read(socket, run) or deployment.failed(run)
        deployment.first_run = run
        if wrong and run.code == "access_denied" and not run.source_spoke:
            # With the trace it can be told who was denied, where traces are allowed.
            traced = deployment.ask(socket, trace=True)
            deployment.read(socket, traced)
            wrong = deployment.failed(traced) or wrong
        return wrong or yes(times(run), **run.figures())


def times(run):
    """The times of an answer that is whole, for people."""
    figures = run.figures()
    frame, end = duration(figures["firstFrameMs"]), duration(figures["endMs"])
    text = f"first text {duration(figures['firstTextMs'])}" if run.pieces else "no text"
    return f"first frame {frame}, {text}, end {end}; {figures['frames']} frames"


def streaming(deployment):
    return streams(deployment.first_run, "frames")


def streams(run, what):
    """Whether an answer came while it was made, given a run that has finished."""
    total = run.stats.get("totalMs")
    came_in = (run.end_at - run.moments[0]) * 1000
    figures = {"cameInMs": came_in, "relayTotalMs": total, "longestGapMs": run.longest_gap * 1000}
    if total is None or total < SHORT_ANSWER:
        return not_seen(
            f"the answer took {total} ms, which is too short to tell", LONGER_PROMPT, **figures
        )
    if came_in < total / 2:
        said = (
            f"the relay sent them in {duration(total)}, and they came within {duration(came_in)}: "
            f"all {what} at once"
        )
        return no(said, advice.HELD_BACK, **figures)
    if run.pieces < 2:
        todo = (
            "Whoever answers does not stream: the agent's own role may lack bedrock:InvokeModelWithResponseStream, "
            "a guardrail or a prompt template may gather its answer; or the answer was too short: "
            + LONGER_PROMPT
        )
        return not_seen("the answer came in one piece", todo, **figures)
    said = (
        f"{run.pieces} pieces of text within {duration(came_in)}; the relay took {duration(total)}"
    )
    return yes(said, **figures)


def not_understood(deployment):
    """A message that no run can be made of, which calls no agent."""
    with deployment.connect() as socket:
        run = Run(time.monotonic())
        socket.send_text(json.dumps({"promt": "a misspelt field"}))
        wrong = deployment.read(socket, run)
        if wrong:
            return wrong
        if run.code != "invalid_request":
            return no(
                f"it was answered with {run.end['type']} {run.code}",
                "This is not the protocol of Agent Relay",
            )
        took = milliseconds(run.asked_at, run.end_at)
        return yes(f"invalid_request after {duration(took)}", endMs=took)


def credential(deployment):
    """Who shows a wrong credential, or none, is refused."""
    if deployment.credential is None:
        return not_asked("whoever knows the address is let in (Access=open), at your expense")
    tried = {}
    for name, shown in [("a wrong one", "not-the-right-credential"), ("none", None)]:
        status = status_of_handshake(deployment, credential=shown)
        if status == 101:
            return no(f"with {name}, the handshake succeeds", advice.OPEN)
        if status not in (401, 403):
            todo = advice.HANDSHAKE.get(status, advice.LOG)
            return no(f"with {name}, the handshake is answered with {status} instead of 403", todo)
        tried[name] = status
    return yes(", ".join(f"{status} for {name}" for name, status in tried.items()))


def status_of_handshake(deployment, **changes):
    """The status that a handshake is answered with; raises `NoConnection` without one."""
    try:
        with deployment.connect(**changes):
            return 101
    except Refused as refused:
        return refused.status


def own_origins(deployment):
    """Pages that are to be let in are."""
    if not deployment.origins:
        return not_asked("give --page or --origin: the origins of pages that are to be let in")
    for origin in deployment.origins:
        status = status_of_handshake(deployment, origin=origin)
        if status != 101:
            return no(f"HTTP {status} for a page of {origin}", advice.ORIGIN_CLOSED, status=status)
    return yes("a page may connect from " + ", ".join(deployment.origins))


def foreign_origin(deployment):
    """Pages of others are not let in."""
    if deployment.any_origin:
        return not_asked("--any-origin: pages of all origins are meant to be let in")
    status = status_of_handshake(deployment, origin=FOREIGN_ORIGIN)
    if status == 101:
        return no(f"a page of {FOREIGN_ORIGIN} may connect", advice.ORIGIN_OPEN)
    if status not in (401, 403):
        return no(f"HTTP {status} instead of 403", advice.HANDSHAKE.get(status, advice.LOG))
    return yes(f"{status} for a page of {FOREIGN_ORIGIN}")


def largest_frame(deployment):
    """A prompt that fills the largest frame that API Gateway takes, which is what browsers can send."""
    message = {"prompt": deployment.prompt, "sessionId": new_conversation()}
    filler = "\n\nWhat follows is filler, and to be ignored."
    empty = len(json.dumps({**message, "prompt": deployment.prompt + filler}))
    # Words, since a model counts fewer tokens for them than for digits.
    message["prompt"] += filler + (" filler" * FRAME_BYTES)[: FRAME_BYTES - empty]
    return large(deployment, json.dumps(message), FRAME_BYTES, FRAME_BYTES)


def largest_message(deployment):
    """The largest message, in frames; all but the prompt is a state, which is paid for by none but a runtime."""
    message = {
        "threadId": new_conversation(),
        "runId": new_conversation(),
        "messages": [{"id": "1", "role": "user", "content": deployment.prompt}],
        "state": {"filler": ""},
        "tools": [],
        "context": [],
        "forwardedProps": {},
    }
    message["state"]["filler"] = "x" * (MESSAGE_BYTES - len(json.dumps(message)))
    return large(deployment, json.dumps(message), MESSAGE_BYTES, FRAME_BYTES)


def large(deployment, text, message_bytes, frame_bytes):
    assert len(text.encode()) == message_bytes
    with deployment.connect() as socket:
        run = Run(time.monotonic())
        socket.send_text(text, frame_bytes)
        wrong = deployment.read(socket, run) or deployment.failed(run)
        return wrong or yes(f"{message_bytes:,} bytes: {times(run)}", **run.figures())


def frame_too_large(deployment):
    """API Gateway closes a connection that brings a larger frame."""
    with deployment.connect() as socket:
        socket.send_text(json.dumps({"prompt": "x" * (FRAME_BYTES - len('{"prompt": ""}') + 1)}))
        try:
            while True:
                message = socket.receive(time.monotonic() + deployment.patience)
                if message.kind == TEXT:
                    todo = "The page's limit of 32,768 bytes is then lower than it has to be: report it"
                    return no(f"a frame of {FRAME_BYTES + 1:,} bytes was taken", todo)
        except Closed as closed:
            if closed.code == 1009:
                return yes(f"{closed} for a frame of {FRAME_BYTES + 1:,} bytes")
            todo = "API Gateway, or what stands before it, does otherwise than is documented: report it"
            return no(f"{closed} instead of closed with 1009", todo)
        except Silence:
            return no("nothing came, nor did the connection end", advice.SWALLOWED)


def join(deployment):
    """A run goes on over another connection when its own breaks, and no word is lost or comes twice."""
    # In the middle of its text; if it is over before, once more: as soon as it has begun.
    for wanted in (lambda run: run.pieces >= 2, lambda run: run.started_at is not None):
        with deployment.connect() as socket:
            run = deployment.ask(socket)
            wrong = deployment.read(socket, run, wanted) or deployment.failed(run)
            if wrong:
                return wrong
            if run.key is None:
                return not_asked("runs are not kept (ResumeHours=0)")
            if run.end is None:
                socket.drop()
                return joined_again(deployment, run)
    return not_seen("the answer was over before the connection could be dropped", LONGER_PROMPT)


def joined_again(deployment, run):
    """The rest of a run whose connection has just been dropped."""
    dropped_at, had = time.monotonic(), run.last
    with deployment.connect() as socket:
        asked_at = time.monotonic()
        socket.send_text(json.dumps({"join": {"key": run.key, "after": had}}))
        count = len(run.frames)
        wrong = deployment.read(socket, run, lambda run: len(run.frames) > count)
        first = milliseconds(asked_at)
        wrong = wrong or deployment.read(socket, run) or deployment.failed(run)
        if wrong:
            return wrong
        # Once more from the beginning: what was kept is what came.
        kept = Run(time.monotonic())
        socket.send_text(json.dumps({"join": {"key": run.key}}))
        wrong = deployment.read(socket, kept) or deployment.failed(kept)
        if wrong:
            return wrong
    if kept.text != run.text:
        todo = "Text was lost or came twice: report it, with the run's line of " + advice.LOG
        return no(
            f"{len(run.text)} characters came over two connections, {len(kept.text)} were kept",
            todo,
        )
    figures = {"joinMs": first, "awayMs": milliseconds(dropped_at, asked_at), **run.figures()}
    said = (
        f"dropped behind frame {had}, first frame {duration(first)} after the join; "
        f"{len(run.text)} characters, none lost"
    )
    return yes(said, **figures)


def stop(deployment):
    """A run ends when its client wants it to."""
    # If the answer is over before it is stopped, once more: as soon as it has begun.
    for wanted in (lambda run: run.pieces > 0, lambda run: run.started_at is not None):
        with deployment.connect() as socket:
            run = deployment.ask(socket)
            wrong = deployment.read(socket, run, wanted) or deployment.failed(run)
            if wrong:
                return wrong
            if run.key is None:
                return not_asked(
                    "runs are not kept (ResumeHours=0): closing the connection stops a Bedrock agent"
                )
            asked_at = time.monotonic()
            socket.send_text(json.dumps({"stop": {"key": run.key}}))
            wrong = deployment.read(socket, run) or deployment.failed(run)
            if wrong:
                return wrong
        took = milliseconds(asked_at, run.end_at)
        if run.relay.get("stopped"):
            return yes(
                f"the run ended {duration(took)} after the wish", stopMs=took, **run.figures()
            )
        if took > STOP_SECONDS * 1000:
            todo = (
                "Nobody reads the wish: the role (RelayRole) needs its rights on the RunsTable; see "
                + advice.LOG
            )
            return no(
                f"the run went on for {duration(took)} after the wish, to its end",
                todo,
                **run.figures(),
            )
    return not_seen("the answer was over before it could be stopped", LONGER_PROMPT)


def silence(deployment):
    """An agent may be silent for longer than API Gateway waits, which is 29 s."""
    if deployment.slow_prompt is None:
        return not_asked(
            "give --slow-prompt, one that the agent works on for half a minute before its first word"
        )
    with deployment.connect() as socket:
        run = deployment.ask(socket, deployment.slow_prompt)
        wrong = deployment.read(socket, run) or deployment.failed(run)
        return wrong or silent(deployment, run)


def silent(deployment, run):
    """Whether a run that has finished was silent for long enough, and its client heard of it."""
    silence, gap = run.longest_silence, run.longest_gap
    figures = {
        "silenceMs": silence * 1000,
        "longestGapMs": gap * 1000,
        "keepalives": len(run.keepalives),
    }
    if silence < deployment.silence_seconds:
        todo = "Give a --slow-prompt that takes its agent longer before its first word, such as the work of a slow tool"
        return not_seen(f"the agent was silent for {silence:.1f} s only", todo, **figures)
    said = f"{silence:.1f} s of silence, keepalives: {len(run.keepalives)}, at most {gap:.1f} s without anything"
    if gap > KEEPALIVE_LIMIT:
        todo = "Keepalives come every 30 s: something holds them back, or KEEPALIVE_SECONDS is more"
        return no(said, todo, **figures)
    return yes(said, **figures)


def idle(minutes):
    """The check that asks after so many idle minutes, when Lambda has frozen the function."""

    def check(deployment):
        if minutes < IDLE_LIMIT:
            with deployment.connect() as socket:
                time.sleep(minutes * 60)
                return after_idleness(deployment, socket, "over the connection that was idle", {})
        time.sleep(minutes * 60)
        with deployment.connect() as socket:
            said = f"over a new connection, which took {duration(socket.handshake_ms)}"
            return after_idleness(deployment, socket, said, socket.figures)

    return check


def after_idleness(deployment, socket, said, figures):
    run = deployment.ask(socket)
    wrong = deployment.read(socket, run) or deployment.failed(run)
    return wrong or yes(f"{times(run)}, {said}", **figures, **run.figures())
