"""What to do about what is wrong: the parameter, the right or the place to look."""

LOG = "the function's log (stack output LogGroup)"

# By the code of a RUN_ERROR (docs/protocol.md, "Error codes").
CODES = {
    "access_denied": (
        "A right is missing. The role of the function (RelayRole) needs bedrock:InvokeAgent on the alias, or "
        "bedrock-agentcore:InvokeHarness and InvokeAgentRuntime on the harness, or "
        "bedrock-agentcore:InvokeAgentRuntime on the runtime and its endpoint. An agent's own role needs "
        "bedrock:InvokeModelWithResponseStream on its model. Which of them, `error` says in " + LOG
    ),
    "bad_gateway": (
        "What answers is no event stream: an agent on a runtime must speak AG-UI (RuntimeArn), and nothing "
        "may stand between the function and AWS that answers in its place"
    ),
    "conflict": "Something else is at work with this agent, or it is being changed: wait, and try again",
    "dependency_failed": (
        "What the agent itself depends on failed. Its model: has the account access to it, in this Region, and the "
        "own role of agent or harness the right bedrock:InvokeModelWithResponseStream? Else a function of an action "
        "group, a knowledge base, a program on a runtime. The agent's own words are in " + LOG
    ),
    "invalid_request": (
        "The relay does not take the message, and its words say why: MAX_PROMPT_CHARS of the function may be lower "
        "than what is sent here, or what answers is a version with another protocol"
    ),
    "internal_server": "The service failed: try again; if it stays, see the AWS Health Dashboard",
    "limit_reached": "A limit of the harness is too low for this prompt: raise it, or give another --prompt",
    "model_not_ready": "The model is being made ready: try again in a minute",
    "resource_not_found": (
        "The agent is another one than the deployment believes: compare AgentId and AgentAliasId, or "
        "HarnessArn and HarnessEndpoint, or RuntimeArn and RuntimeEndpoint with what the console shows, and "
        "the Region of the stack with the agent's; an alias must have a version that is prepared"
    ),
    "service_quota_exceeded": "A quota of the account is used up: Service Quotas, Amazon Bedrock or AgentCore",
    "throttling": "The model's or AgentCore's quota is too low for even this: Service Quotas",
    "validation": "The service does not take the request: its words are in the message, or in "
    + LOG,
    "deadline": "The answer takes longer than the function may run: give another --prompt",
    "connection_lost": (
        "The function does not reach the agent, or its answer broke off: in a VPC it takes a NAT gateway or "
        "endpoints of bedrock-agent-runtime or bedrock-agentcore. The cause is in " + LOG
    ),
    "no_such_run": (
        "The run is not in the table: the role (RelayRole) needs dynamodb:GetItem, PutItem, Query and "
        "UpdateItem on the stack's RunsTable. Warnings of "
        + LOG
        + " begin with what could not be kept"
    ),
    "run_lost": "The function that carried the run has ended: look for a crash or a time-out in "
    + LOG,
    "internal": "The relay failed, which should not happen: " + LOG + " has the error; report it",
}

AGENTS_ROLE = (
    "The agent was reached, and what it does itself was denied: the agent's own role (not the function's) "
    "needs bedrock:InvokeModelWithResponseStream on its model, and the account access to that model"
)

HANDSHAKE = {
    400: "API Gateway does not take the request: is this the WebSocket API's address (output WebSocketUrl)?",
    401: "API Gateway's authorizer lets nobody in: see the access log, or the authorizer in the console",
    404: "There is no such stage: the address ends with /live, unless it is a domain of your own",
    426: "What answers here wants a WebSocket's handshake and did not see one: a proxy in the way takes it off",
    429: "More connections than ThrottleRate and ThrottleBurst, or than the account may take: wait",
    500: (
        "API Gateway could not ask the function: it needs the right to invoke it (lambda:InvokeFunction for "
        "apigateway.amazonaws.com), and the function must start: " + LOG
    ),
    502: "The function failed in the handshake: " + LOG,
    503: "Something in the way, or API Gateway itself, is not available",
    504: "The function did not answer in time: " + LOG,
}

FORBIDDEN = (
    "What was shown is not what the deployment asks for: compare --code with AccessCode, or see whether "
    "--token has expired and is from OidcIssuer for OidcAudience (and OidcTokenUse); "
    + LOG
    + " says which. Without "
    "any line there, the address is wrong: it ends with the stage, /live, unless it is a domain of your own"
)

FORBIDDEN_WITHOUT = (
    "It asks for a credential: give --code, or --token with Access=oidc. If it should not: Access"
)

NO_POSTS = (
    "API Gateway can send (it answered {proof}), so the function's frames do not come as far: most likely its role "
    "(RelayRole) lacks execute-api:ManageConnections on …/live/POST/@connections/*, or "
    "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI is not the stage's own address, as with a domain of your own. "
    "Look for `undelivered` in " + LOG + "; no line at all: the $default route has no function"
)

STOPPED = (
    "The run has begun, API Gateway can send (it answered {proof}), and nothing more comes, not even a keepalive: the "
    "function has crashed or its time-out is too short (the REPORT line of "
    + LOG
    + " says so), its posts are "
    "throttled (`out_of_time`), or KEEPALIVE_SECONDS is more than --patience"
)

SWALLOWED = (
    "Not even API Gateway's own answers to a ping and to a binary message came: something between this machine and "
    "AWS lets the handshake through and swallows WebSocket frames, such as a proxy, a VPN or a virus scanner. Try "
    "from another network; if it is the same there, see " + LOG
)

HELD_BACK = (
    "Something between this machine and AWS gathers what is sent and passes it on at once, such as a proxy, a virus "
    "scanner or a CDN. Try from another network; over HTTP, a CDN or proxy must not buffer text/event-stream, and "
    "the integration of the REST API must have responseTransferMode STREAM"
)

ORIGIN_CLOSED = (
    "Pages of this origin can't connect: name it in the parameter AllowedOrigins, as scheme and host without a "
    "path; the stack's own page (output PageUrl) is let in without being named, unless ALLOWED_ORIGINS of the "
    "function was changed by hand"
)

ORIGIN_OPEN = (
    "Any page on the Web may use this deployment from its visitors' browsers: ALLOWED_ORIGINS of the function is empty "
    "or *. The template sets it to the page's own and AllowedOrigins. If all are meant to be let in, say "
    "--any-origin"
)

OPEN = (
    "Whoever knows the address talks to the agent at your expense: deploy with Access=code and an AccessCode, or with "
    "Access=oidc"
)

HTTP = {
    401: "The credential is refused: the body of the response says why",
    403: (
        "Another path than the API has (output AguiUrl ends with /live/agui), or the origin is not allowed "
        "(AllowedOrigins)"
    ),
    404: "There is nothing at this address: the output AguiUrl has it; with HttpApi=false there is none",
    429: "ThrottleRate, ThrottleBurst or the account's limit",
    500: "No environment of the function is free (MaxConcurrency), or API Gateway may not invoke it",
    502: "The function failed before its response, or the integration does not stream: " + LOG,
    504: "The function did not begin to respond: " + LOG,
}


def of_code(code):
    """What to do about a RUN_ERROR."""
    return CODES.get(code, "The code is not one of this version's: docs/protocol.md, Error codes")
