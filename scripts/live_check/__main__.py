"""Tries a deployment of Agent Relay from outside, as a client sees it (docs/live-check.md)."""

import argparse
import math
import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

import http_checks
import websocket_checks
from address import Address, NoConnection
from deployment import Deployment
from report import YES, Report, no, not_asked
from websocket import Refused

EXAMPLES = """\
The outputs of the stack (sam list stack-outputs) have the addresses:
  scripts/live-check --url wss://….amazonaws.com/live --code 'the access code'
  scripts/live-check --url wss://… --http https://…/live/agui --page https://…/ --code '…' \\
      --slow-prompt 'Let your slowest tool work before you say a word.' --json figures.json
Against the AWS of this machine (cargo run):
  scripts/live-check --quick --url ws://127.0.0.1:8080/local --http http://127.0.0.1:8080/agui \\
      --page http://127.0.0.1:8080/

The exit code is 0 if all that was asked is a yes, 1 if something is not, 2 if the options are wrong.
"""

DEFAULT_PROMPT = "Count from one to forty, a line each."

# In minutes: a short pause, one that API Gateway's connections bear, and one that Lambda's environments may not.
IDLE = [1.0, 6.0, 15.0]

# So that it has room in the largest frame.
MAX_PROMPT_BYTES = 4_096


def main():
    options = parse()
    report = Report(options.url, lambda line: print(line, flush=True))
    deployment = Deployment(
        url=options.url,
        address=options.address,
        http=options.http,
        page=options.page,
        credential=options.credential,
        origins=options.origins,
        any_origin=options.any_origin,
        prompt=options.prompt,
        slow_prompt=options.slow_prompt,
        silence_seconds=options.silence,
        idle_minutes=options.idle,
        patience=options.patience,
        report=report,
    )
    for id_, title, check, needs in options.checks:
        report.add(id_, title, run(check, needs, deployment))
    look(deployment)
    report.finish()
    if options.json:
        options.json.write_text(report.as_json(deployment.run_ids), encoding="utf-8")
    return 0 if report.passed else 1


def checks(options):
    """Each: its id, its title, the check, and the checks without whose yes it can't be made."""
    ws, http = websocket_checks, http_checks
    answered = ["first-answer"]
    yield "handshake", "handshake", ws.handshake, []
    yield "first-answer", "first answer (cold, if idle)", ws.first_answer, ["handshake"]
    yield "streaming", "frames come as they are made", ws.streaming, answered
    yield "not-understood", "what is not understood", ws.not_understood, answered
    yield "credential", "other credentials refused", ws.credential, ["handshake"]
    yield "own-origin", "own pages let in", ws.own_origins, ["handshake"]
    yield "foreign-origin", "foreign pages refused", ws.foreign_origin, ["handshake"]
    yield "largest-frame", "largest prompt in a frame", ws.largest_frame, answered
    yield "largest-message", "largest message, in frames", ws.largest_message, answered
    yield "frame-too-large", "a larger frame refused", ws.frame_too_large, answered
    yield "join", "dropped, and joined again", ws.join, answered
    yield "stop", "stopped", ws.stop, answered
    yield "http-answer", "HTTP: answer", http.answer, []
    yield "http-streaming", "HTTP: events as they are made", http.streaming, ["http-answer"]
    yield "http-credential", "HTTP: other credentials", http.credential, []
    yield "http-origin", "HTTP: origins", http.origins, []
    yield "page-headers", "page: headers", http.page_headers, []
    yield "page-settings", "page: settings", http.page_settings, []
    silence = f"silence past {options.silence:g} s"
    yield "silence", silence, ws.silence, answered
    yield "http-silence", f"HTTP: {silence}", http.silence, ["http-answer"] if options.http else []
    for minutes in options.idle:
        yield f"idle-{minutes:g}", after_idle(minutes), ws.idle(minutes), answered
    if options.quick:
        for minutes in IDLE:
            left_out = lambda _: not_asked("--quick leaves out the waiting")
            yield f"idle-{minutes:g}", after_idle(minutes), left_out, []


def after_idle(minutes):
    """The title of a row that waits."""
    return f"after {minutes:g} idle minute{'' if minutes == 1 else 's'}"


def wanted(options, parser):
    """The checks that `--only` names, with those that they need; without it, all."""
    every = list(checks(options))
    if options.only is None:
        return every
    needs_of = {id_: needs for id_, _, _, needs in every}
    ids = set()

    def want(id_):
        if id_ not in needs_of:
            parser.error(f"--only: there is no row {id_!r}; the rows are {', '.join(needs_of)}")
        ids.add(id_)
        for need in needs_of[id_]:
            want(need)

    for id_ in options.only.split(","):
        want(id_.strip())
    return [row for row in every if row[0] in ids]


def run(check, needs, deployment):
    """What becomes of a check. That of a connection that can't be made is an outcome, too."""
    for need in needs:
        if deployment.report.verdict(need) != YES:
            return not_asked(f"it takes a yes of the row {need}")
    try:
        return check(deployment)
    except (NoConnection, Refused) as error:
        return deployment.no_connection(error)
    except OSError as error:
        return no(
            f"the connection broke ({error})", "Try again; if it stays, look for what is in the way"
        )


def look(deployment):
    """What the operator is asked to look at."""
    report, ids = deployment.report, deployment.run_ids
    if ids:
        some = ", ".join(ids[:3]) + (", …" if len(ids) > 3 else "")
        report.look(
            f"Log: each of the {len(ids)} runs has one line `run ended` in the log group (output LogGroup), by "
            f"span.run_id: {some}. `outcome` is finished, and stopped or kept for the rows stop and join; "
            "retried_posts is 0 or nearly; no line of level ERROR but for runs that failed above."
        )
        report.look(
            "Cold starts: the REPORT lines of the first and of the idle runs. An Init Duration says that the "
            "environment was new; without it, it was frozen, and the times above are those of a thaw. Max Memory "
            "Used is far below 256 MB."
        )
        report.look(
            "Nothing twice: the agent's own log or CloudWatch's Invocations of it count one call for each of them."
        )
    report.look(
        "Alarms: none of the stack's is in ALARM for anything but this check's own refused messages; with "
        "AlarmEmail, the subscription is confirmed (SNS, Subscriptions)."
    )
    report.look(
        "Cost: tomorrow in Cost Explorer, by service: API Gateway, Lambda and DynamoDB cost fractions of a cent for "
        f"this, the agent the tokens of {len(ids)} answers."
    )
    let_in = YES in (report.verdict("handshake"), report.verdict("http-answer"))
    if let_in and not deployment.credential:
        report.look(
            "Who gets in: no credential was given, and none was asked for. Is Access=open what you want?"
        )


def parse():
    parser = argparse.ArgumentParser(
        prog="scripts/live-check",
        description="Tries a deployment of Agent Relay from outside, as a client sees it, and prints a table of yes "
        "and no with figures. It asks the agent some ten short prompts, which are paid for.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    where = parser.add_argument_group("where")
    where.add_argument(
        "--url", required=True, metavar="WSS", help="the WebSocket's address (output WebSocketUrl)"
    )
    where.add_argument("--http", metavar="HTTPS", help="AG-UI's address over HTTP (output AguiUrl)")
    where.add_argument(
        "--page", metavar="HTTPS", help="the page's address (output PageUrl); its origin is let in"
    )
    who = parser.add_argument_group("who asks")
    who.add_argument("--code", metavar="CODE", help="the access code [or the variable ACCESS_CODE]")
    who.add_argument(
        "--token", metavar="TOKEN", help="a token of the OpenID provider [or the variable TOKEN]"
    )
    who.add_argument(
        "--origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="an origin whose pages are let in; repeatable",
    )
    who.add_argument(
        "--any-origin", action="store_true", help="pages of all origins are meant to be let in"
    )
    what = parser.add_argument_group("what is asked")
    what.add_argument(
        "--prompt",
        default=DEFAULT_PROMPT,
        help="a prompt whose answer takes some seconds [default: %(default)s]",
    )
    what.add_argument(
        "--slow-prompt",
        metavar="PROMPT",
        help="one that the agent is silent about for half a minute",
    )
    what.add_argument(
        "--silence",
        type=seconds,
        default=29.0,
        metavar="S",
        help="how long that silence must be, in seconds [default: 29]",
    )
    what.add_argument(
        "--idle",
        type=minutes,
        metavar="MINUTES",
        help="after how many idle minutes to ask again [default: 1,6,15]",
    )
    what.add_argument("--quick", action="store_true", help="leave out the waiting of --idle")
    what.add_argument(
        "--only",
        metavar="ROWS",
        help="only these rows, such as join,stop, and those that they need",
    )
    what.add_argument(
        "--patience",
        type=seconds,
        default=75.0,
        metavar="S",
        help="how long nothing may come before it counts as nothing, in seconds [default: 75]",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args()
    check(parser, options)
    return options


def check(parser, options):
    """Reads what is left to be read, or ends with a sentence."""
    if options.code and options.token:
        parser.error("--code and --token are about different deployments: Access is code or oidc")
    for name, prompt in [("--prompt", options.prompt), ("--slow-prompt", options.slow_prompt)]:
        if prompt is not None and not 0 < len(prompt.encode()) <= MAX_PROMPT_BYTES:
            parser.error(f"{name} must have from 1 to {MAX_PROMPT_BYTES} bytes")
    if options.quick and options.idle is not None:
        parser.error("--quick leaves out what --idle asks for")
    options.idle = [] if options.quick else IDLE if options.idle is None else options.idle
    given = options.code or options.token
    options.credential = given or os.environ.get("ACCESS_CODE") or os.environ.get("TOKEN") or None
    try:
        options.address = Address.parse(options.url, ("wss", "ws"))
        options.http = options.http and Address.parse(options.http, ("https", "http"))
        page = options.page
        options.page = page and Address.parse(page, ("https", "http"))
    except ValueError as error:
        parser.error(str(error))
    options.origins = list(options.origin)
    if page:
        parts = urlsplit(page)
        options.origins.insert(0, f"{parts.scheme}://{parts.netloc}")
    for origin in options.origins:
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.path or parts.query:
            parser.error(f"{origin!r} is no origin like https://chat.example.com, without a path")
    options.checks = wanted(options, parser)
    if options.json and not options.json.absolute().parent.is_dir():
        parser.error(f"there is no folder for {options.json}")


def seconds(text):
    """A time, which is a number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return value


def minutes(text):
    """The numbers of a list such as 1,6,15; empty asks for no idleness."""
    return [seconds(part) for part in text.split(",")] if text.strip() else []


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read the table has gone, such as `head`. What Python still has for them goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
