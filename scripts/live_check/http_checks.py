"""What is tried over HTTP: AG-UI's own transport, and the page."""

import json
import time

import advice
from address import NoConnection
from http_request import EventStream, request
from report import duration, no, not_asked, yes
from run import Run, new_conversation
from websocket import Refused, Silence
from websocket_checks import FOREIGN_ORIGIN, silent, streams, times

NO_ADDRESS = "give --http, the output AguiUrl, to try AG-UI over HTTP"
NO_PAGE = "give --page, the output PageUrl, to try the page"

# What the page's policy must have: no script but its own, no markup that becomes script, no frame around it.
POLICY = [
    "default-src 'none'",
    "script-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
]

HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
}

PAGE_TODO = (
    "The function sends these headers with each file: something before it (a CDN, a domain of your own) takes them "
    "off, or what answers is another page; compare with the output PageUrl"
)


def answer(deployment):
    """A prompt over HTTP."""
    if deployment.http is None:
        return not_asked(NO_ADDRESS)
    run, wrong = ask(deployment, deployment.prompt)
    if wrong:
        return wrong
    deployment.http_run = run
    first_byte = (run.first_byte_at - run.asked_at) * 1000
    return yes(
        f"first byte {duration(first_byte)}, {times(run)}", firstByteMs=first_byte, **run.figures()
    )


def streaming(deployment):
    """Whether the events come while they are made."""
    return streams(deployment.http_run, "events")


def silence(deployment):
    if deployment.http is None:
        return not_asked(NO_ADDRESS)
    if deployment.slow_prompt is None:
        return not_asked("give --slow-prompt")
    run, wrong = ask(deployment, deployment.slow_prompt)
    return wrong or silent(deployment, run)


def credential(deployment):
    """Who shows a wrong credential, or none, gets 401. What is posted would call no agent."""
    if deployment.http is None:
        return not_asked(NO_ADDRESS)
    if deployment.credential is None:
        return not_asked("whoever knows the address is let in (Access=open), at your expense")
    for name, headers in [("a wrong one", bearer("not-the-right-credential")), ("none", {})]:
        status = post_nothing(deployment, headers).status
        if status != 401:
            todo = advice.OPEN if status == 200 else advice.HTTP.get(status, advice.LOG)
            return no(f"HTTP {status} instead of 401 with {name}", todo, status=status)
    return yes("401 for a wrong one and for none")


def origins(deployment):
    """Pages that are to be let in may ask, and others not."""
    if deployment.http is None:
        return not_asked(NO_ADDRESS)
    said = []
    for origin in deployment.origins:
        headers = {
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type",
        }
        preflight = request(
            deployment.http, "OPTIONS", headers=headers, seconds=deployment.patience
        )
        allowed = preflight.headers.get("access-control-allow-origin")
        if preflight.status != 204 or allowed not in (origin, "*"):
            said = f"a page of {origin} may not ask: {preflight.status}, allowed is {allowed}"
            return no(said, advice.ORIGIN_CLOSED, status=preflight.status)
        said.append(f"a page of {origin} may ask")
    if not deployment.any_origin:
        headers = bearer(deployment.credential) | {"Origin": FOREIGN_ORIGIN}
        status = post_nothing(deployment, headers).status
        if status == 200:
            return no(f"a page of {FOREIGN_ORIGIN} may ask", advice.ORIGIN_OPEN)
        if status != 403:
            return no(
                f"HTTP {status} instead of 403", advice.HTTP.get(status, advice.LOG), status=status
            )
        said.append(f"403 for {FOREIGN_ORIGIN}")
    return yes(", ".join(said)) if said else not_asked("give --page or --origin")


def post_nothing(deployment, headers):
    """The response to a message of which no run can be made."""
    headers = {"Content-Type": "application/json", **headers}
    return request(deployment.http, "POST", headers=headers, body="{}", seconds=deployment.patience)


def bearer(credential):
    return {} if credential is None else {"Authorization": f"Bearer {credential}"}


def ask(deployment, prompt):
    """A run over HTTP, and what is wrong with it, if anything."""
    run = Run(time.monotonic())
    message = {"prompt": prompt, "sessionId": new_conversation()}
    headers = bearer(deployment.credential)
    try:
        stream = EventStream(deployment.http, message, headers, seconds=deployment.patience)
    except NoConnection as error:
        return run, no("there is no answer", f"{error}. {advice.HELD_BACK}")
    except Refused as refused:
        todo = advice.HTTP.get(refused.status, "API Gateway's documentation has this status")
        return run, no(f"HTTP {refused.status}: {refused.body[:120]}", todo, status=refused.status)
    run.first_byte_at = stream.first_byte_at
    with stream:
        kind = stream.headers.get("content-type", "")
        if not kind.startswith("text/event-stream"):
            todo = "What answers is not the relay: compare --http with the output AguiUrl"
            return run, no(f"the response is {kind or 'of no type'}, not text/event-stream", todo)
        try:
            stream.read_into(run)
        except Silence:
            todo = "Even keepalives do not come. " + advice.HELD_BACK
            return run, no(
                f"nothing came for {deployment.patience:g} s behind {len(run.frames)} events", todo
            )
    deployment.remember(run)
    if run.end is None and not run.problem:
        todo = (
            "API Gateway or the function has cut it: after 5 minutes of silence, or 30 s at an endpoint that is not "
            "REGIONAL; or the function failed: " + advice.LOG
        )
        return run, no(
            f"the response ended behind {len(run.frames)} events, without the end of the run", todo
        )
    return run, deployment.failed(run)


# The page.


def page_headers(deployment):
    """The page with the headers that keep foreign script out."""
    if deployment.page is None:
        return not_asked(NO_PAGE)
    headers = {"Accept-Encoding": "br, gzip"}
    page = request(deployment.page, "GET", headers=headers, seconds=deployment.patience)
    if page.status != 200 or not page.headers.get("content-type", "").startswith("text/html"):
        kind = page.headers.get("content-type")
        return no(
            f"HTTP {page.status}, {kind}",
            "Compare --page with the output PageUrl",
            status=page.status,
        )
    policy = [part.strip() for part in page.headers.get("content-security-policy", "").split(";")]
    missing = [f"content-security-policy: {part}" for part in POLICY if part not in policy]
    wanted = HEADERS | ({"strict-transport-security": None} if deployment.page.secure else {})
    for name, value in wanted.items():
        if page.headers.get(name) != value and not (value is None and name in page.headers):
            missing.append(name if value is None else f"{name}: {value}")
    if missing:
        return no("the page lacks " + "; ".join(missing), PAGE_TODO)
    tag = {"If-None-Match": page.headers.get("etag", "")}
    again = request(deployment.page, "GET", headers=headers | tag, seconds=deployment.patience)
    if again.status != 304:
        todo = "A browser that has the page gets all of it again: something before the function takes its ETag off"
        return no(f"the page comes again with {again.status}, not 304", todo)
    coding = page.headers.get("content-encoding", "not compressed")
    size = f"{len(page.body):,} bytes ({coding}) after {duration(page.ms)}"
    said = f"{size}; the policy and {len(wanted)} headers; then 304"
    return yes(said, ms=page.ms, bytes=len(page.body))


def page_settings(deployment):
    """What the page is told: where it connects, and who is let in."""
    if deployment.page is None:
        return not_asked(NO_PAGE)
    path = deployment.page.path.rstrip("/") + "/config.json"
    answer = request(deployment.page, "GET", path, seconds=deployment.patience)
    try:
        settings = json.loads(answer.body)
        endpoint, access = settings["endpoint"], settings["access"]
    except (ValueError, TypeError, KeyError):
        todo = (
            "The function does not know where clients connect: set CustomWebSocketUrl; see "
            + advice.LOG
        )
        return no(f"HTTP {answer.status}, and no settings", todo)
    if endpoint.rstrip("/") != deployment.url.rstrip("/"):
        todo = (
            "The page connects elsewhere than was tried here: CustomWebSocketUrl, or another --url"
        )
        return no(f"the page connects to {endpoint}", todo, endpoint=endpoint)
    if (access == "open") != (deployment.credential is None):
        todo = (
            "A credential was given, and the page asks for none, or the other way round: see Access"
        )
        return no(f"the page's access is {access}", todo, access=access)
    return yes(f"it connects to {endpoint}, access {access}", endpoint=endpoint, access=access)
