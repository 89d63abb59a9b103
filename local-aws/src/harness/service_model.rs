//! The shapes of `InvokeHarness` and `StopRuntimeSession`, as the service's model has them
//! (`bedrock-agentcore`, 2024-02-28). Where the model sets no bounds and the service must, its constant
//! says so.

use super::shape::Shape::{
    Blob, Document, Enum, Float, Integer, List, Map, SensitiveText, Structure, Text, Union,
};
use super::shape::{Member, Shape, optional, required};

/// The name of a harness.
pub(super) const HARNESS_ARN_PATTERN: &str = "arn:([^:]+)?:bedrock-agentcore:[a-z0-9-]+:[0-9]{12}:harness/[a-zA-Z][a-zA-Z0-9_]{0,39}-[a-zA-Z0-9]{10}";

/// `harnessArn`
pub(super) static HARNESS_ARN: Shape =
    Text { length: 0..=usize::MAX, pattern: Some(HARNESS_ARN_PATTERN) };

/// `qualifier`, the name of an endpoint.
pub(crate) static HARNESS_ENDPOINT_NAME: Shape =
    Text { length: 0..=usize::MAX, pattern: Some("[a-zA-Z][a-zA-Z0-9_]{0,47}") };

/// `runtimeSessionId` of `InvokeHarness`.
pub(super) static SESSION_ID: Shape =
    Text { length: 33..=100, pattern: Some("[a-zA-Z0-9][a-zA-Z0-9_-]*") };

/// `runtimeSessionId` of `StopRuntimeSession`.
pub(crate) static ANY_SESSION_ID: Shape = Text { length: 33..=256, pattern: None };

/// The body of `StopRuntimeSession`.
pub(crate) static STOP_REQUEST: Shape = Structure(&[optional("clientToken", &CLIENT_TOKEN)]);

/// The body of `InvokeHarness`.
pub(super) static INVOKE_REQUEST: Shape = Structure(&[
    required("messages", &MESSAGES),
    optional("model", &MODEL),
    optional("systemPrompt", &SYSTEM_PROMPT),
    optional("tools", &TOOLS),
    optional("skills", &SKILLS),
    optional("allowedTools", &ALLOWED_TOOLS),
    optional("maxIterations", &COUNT),
    optional("maxTokens", &COUNT),
    optional("timeoutSeconds", &COUNT),
    optional("actorId", &STRING),
]);

/// The headers of `InvokeHarness` that are limited, beside the session's id.
pub(super) static HEADERS: [(&str, Shape); 4] = [
    ("traceparent", Text { length: 0..=1024, pattern: None }),
    ("tracestate", Text { length: 0..=512, pattern: None }),
    ("x-amzn-trace-id", Text { length: 0..=1024, pattern: None }),
    ("baggage", Text { length: 0..=8192, pattern: None }),
];

static CLIENT_TOKEN: Shape =
    Text { length: 33..=256, pattern: Some("[a-zA-Z0-9](-*[a-zA-Z0-9]){0,256}") };

/// Bounds are in no model: a run needs at least one second, one iteration and one token.
static COUNT: Shape = Integer(1..=0x7fff_ffff);

static STRING: Shape = Text { length: 0..=usize::MAX, pattern: None };
static SENSITIVE_STRING: Shape = SensitiveText { length: 0..=usize::MAX, pattern: None };
static SENSITIVE_TEXT: Shape = SensitiveText { length: 1..=usize::MAX, pattern: None };
static ANY: Shape = Document;
static BYTES: Shape = Blob;
static NOTHING: Shape = Structure(&[]);

static MESSAGES: Shape = List(&MESSAGE);
static MESSAGE: Shape = Structure(&[required("role", &ROLE), required("content", &CONTENT)]);
static ROLE: Shape = Enum(&["user", "assistant"]);
static CONTENT: Shape = List(&CONTENT_BLOCK);
static CONTENT_BLOCK: Shape = Union(&[
    optional("text", &SENSITIVE_TEXT),
    optional("toolUse", &TOOL_USE),
    optional("toolResult", &TOOL_RESULT),
    optional("reasoningContent", &REASONING),
]);

static TOOL_USE: Shape = Structure(&[
    required("name", &TOOL_NAME),
    required("toolUseId", &TOOL_NAME),
    required("input", &ANY),
    optional("type", &TOOL_USE_TYPE),
    optional("serverName", &STRING),
]);
/// `HarnessToolName` and `HarnessToolUseId`
static TOOL_NAME: Shape = Text { length: 1..=64, pattern: Some("[a-zA-Z0-9_-]+") };
static TOOL_USE_TYPE: Shape = Enum(&["tool_use", "server_tool_use", "mcp_tool_use"]);

static TOOL_RESULT: Shape = Structure(&[
    required("toolUseId", &TOOL_NAME),
    required("content", &TOOL_RESULT_CONTENT),
    optional("status", &TOOL_USE_STATUS),
    optional("type", &TOOL_USE_TYPE),
]);
static TOOL_USE_STATUS: Shape = Enum(&["success", "error"]);
static TOOL_RESULT_CONTENT: Shape = List(&TOOL_RESULT_BLOCK);
static TOOL_RESULT_BLOCK: Shape =
    Union(&[optional("text", &SENSITIVE_TEXT), optional("json", &ANY)]);

static REASONING: Shape =
    Union(&[optional("reasoningText", &REASONING_TEXT), optional("redactedContent", &BYTES)]);
static REASONING_TEXT: Shape =
    Structure(&[required("text", &SENSITIVE_STRING), optional("signature", &SENSITIVE_STRING)]);

static MODEL: Shape = Union(&[
    optional("bedrockModelConfig", &BEDROCK_MODEL),
    optional("openAiModelConfig", &OPEN_AI_MODEL),
    optional("geminiModelConfig", &GEMINI_MODEL),
    optional("liteLlmModelConfig", &LITE_LLM_MODEL),
]);
static BEDROCK_MODEL: Shape = Structure(&[
    MODEL_ID,
    MAX_TOKENS,
    TEMPERATURE,
    TOP_P,
    optional("apiFormat", &BEDROCK_API_FORMAT),
    ADDITIONAL_PARAMS,
]);
static OPEN_AI_MODEL: Shape = Structure(&[
    MODEL_ID,
    required("apiKeyArn", &API_KEY_ARN),
    API_BASE,
    MAX_TOKENS,
    TEMPERATURE,
    TOP_P,
    optional("apiFormat", &OPEN_AI_API_FORMAT),
    ADDITIONAL_PARAMS,
]);
static GEMINI_MODEL: Shape = Structure(&[
    MODEL_ID,
    required("apiKeyArn", &API_KEY_ARN),
    MAX_TOKENS,
    TEMPERATURE,
    TOP_P,
    optional("topK", &TOP_K),
    ADDITIONAL_PARAMS,
]);
static LITE_LLM_MODEL: Shape = Structure(&[
    MODEL_ID,
    optional("apiKeyArn", &API_KEY_ARN),
    API_BASE,
    MAX_TOKENS,
    TEMPERATURE,
    TOP_P,
    ADDITIONAL_PARAMS,
]);
const MODEL_ID: Member = required("modelId", &STRING);
const MAX_TOKENS: Member = optional("maxTokens", &COUNT);
const TEMPERATURE: Member = optional("temperature", &TEMPERATURE_RANGE);
const TOP_P: Member = optional("topP", &TOP_P_RANGE);
const API_BASE: Member = optional("apiBase", &SENSITIVE_URL);
const ADDITIONAL_PARAMS: Member = optional("additionalParams", &ANY);
static TEMPERATURE_RANGE: Shape = Float(0.0..=2.0);
static TOP_P_RANGE: Shape = Float(0.0..=1.0);
static TOP_K: Shape = Integer(0..=500);
static BEDROCK_API_FORMAT: Shape = Enum(&["converse_stream", "responses", "chat_completions"]);
static OPEN_AI_API_FORMAT: Shape = Enum(&["chat_completions", "responses"]);
static SENSITIVE_URL: Shape = SensitiveText { length: 1..=16383, pattern: None };
static API_KEY_ARN: Shape = Text {
    length: 0..=usize::MAX,
    pattern: Some(
        "arn:aws:bedrock-agentcore:[a-z0-9-]+:[0-9]{12}:token-vault/[a-zA-Z0-9.-]+/apikeycredentialprovider/[a-zA-Z0-9.-]+",
    ),
};

static SYSTEM_PROMPT: Shape = List(&SYSTEM_CONTENT_BLOCK);
static SYSTEM_CONTENT_BLOCK: Shape = Union(&[optional("text", &SENSITIVE_TEXT)]);

static TOOLS: Shape = List(&TOOL);
static TOOL: Shape = Structure(&[
    required("type", &TOOL_TYPE),
    optional("name", &TOOL_NAME),
    optional("config", &TOOL_CONFIG),
]);
static TOOL_TYPE: Shape = Enum(&[
    "remote_mcp",
    "agentcore_browser",
    "agentcore_gateway",
    "inline_function",
    "agentcore_code_interpreter",
]);
static TOOL_CONFIG: Shape = Union(&[
    optional("remoteMcp", &REMOTE_MCP),
    optional("agentCoreBrowser", &BROWSER),
    optional("agentCoreGateway", &GATEWAY),
    optional("inlineFunction", &INLINE_FUNCTION),
    optional("agentCoreCodeInterpreter", &CODE_INTERPRETER),
]);
static REMOTE_MCP: Shape = Structure(&[
    required("url", &SENSITIVE_URL),
    optional("headers", &HTTP_HEADERS),
    optional("outboundAuth", &REMOTE_MCP_AUTH),
]);
static HTTP_HEADERS: Shape = Map(&SENSITIVE_URL);
static REMOTE_MCP_AUTH: Shape =
    Union(&[optional("awsIam", &IAM_CREDENTIALS), optional("none", &NOTHING)]);
static IAM_CREDENTIALS: Shape =
    Structure(&[required("service", &IAM_SERVICE), optional("region", &IAM_REGION)]);
static IAM_SERVICE: Shape = Text { length: 1..=64, pattern: Some("[a-zA-Z0-9._-]+") };
static IAM_REGION: Shape = Text { length: 1..=32, pattern: Some("[a-zA-Z0-9-]+") };
static BROWSER: Shape = Structure(&[optional("browserArn", &BROWSER_ARN)]);
static BROWSER_ARN: Shape = Text {
    length: 0..=usize::MAX,
    pattern: Some(
        r"arn:aws(-[^:]+)?:bedrock-agentcore:[a-z0-9-]+:(aws|[0-9]{12}):browser(-custom)?/(aws\.browser\.v1|[a-zA-Z][a-zA-Z0-9_]{0,47}-[a-zA-Z0-9]{10})",
    ),
};
static GATEWAY: Shape =
    Structure(&[required("gatewayArn", &GATEWAY_ARN), optional("outboundAuth", &GATEWAY_AUTH)]);
static GATEWAY_ARN: Shape = Text {
    length: 0..=usize::MAX,
    pattern: Some(
        "arn:aws(|-cn|-us-gov):bedrock-agentcore:[a-z0-9-]{1,20}:[0-9]{12}:gateway/([0-9a-z]-?){1,48}-[a-z0-9]{10}",
    ),
};
static GATEWAY_AUTH: Shape =
    Union(&[optional("awsIam", &NOTHING), optional("none", &NOTHING), optional("oauth", &OAUTH)]);
static OAUTH: Shape = Structure(&[
    required("providerArn", &OAUTH_PROVIDER_ARN),
    required("scopes", &OAUTH_SCOPES),
    optional("customParameters", &OAUTH_PARAMETERS),
    optional("grantType", &OAUTH_GRANT_TYPE),
    optional("defaultReturnUrl", &OAUTH_RETURN_URL),
]);
static OAUTH_PROVIDER_ARN: Shape =
    Text { length: 0..=usize::MAX, pattern: Some("arn:([^:]*):([^:]*):([^:]*):([0-9]{12})?:(.+)") };
static OAUTH_SCOPES: Shape = List(&OAUTH_SCOPE);
static OAUTH_SCOPE: Shape = Text { length: 1..=64, pattern: None };
static OAUTH_PARAMETERS: Shape = Map(&OAUTH_PARAMETER);
static OAUTH_PARAMETER: Shape = SensitiveText { length: 1..=2048, pattern: None };
static OAUTH_GRANT_TYPE: Shape =
    Enum(&["CLIENT_CREDENTIALS", "AUTHORIZATION_CODE", "TOKEN_EXCHANGE"]);
static OAUTH_RETURN_URL: Shape = Text { length: 1..=2048, pattern: Some(r"\w+:(/?/?)[^\s]+") };
static INLINE_FUNCTION: Shape = Structure(&[
    required("description", &INLINE_FUNCTION_DESCRIPTION),
    required("inputSchema", &ANY),
]);
static INLINE_FUNCTION_DESCRIPTION: Shape = SensitiveText { length: 1..=4096, pattern: None };
static CODE_INTERPRETER: Shape =
    Structure(&[optional("codeInterpreterArn", &CODE_INTERPRETER_ARN)]);
static CODE_INTERPRETER_ARN: Shape = Text {
    length: 0..=usize::MAX,
    pattern: Some(
        r"arn:aws(-[^:]+)?:bedrock-agentcore:[a-z0-9-]+:(aws|[0-9]{12}):code-interpreter(-custom)?/(aws\.codeinterpreter\.v1|[a-zA-Z][a-zA-Z0-9_]{0,47}-[a-zA-Z0-9]{10})",
    ),
};

static SKILLS: Shape = List(&SKILL);
static SKILL: Shape = Union(&[
    optional("path", &SKILL_PATH),
    optional("s3", &SKILL_S3),
    optional("git", &SKILL_GIT),
    optional("awsSkills", &AWS_SKILLS),
]);
static SKILL_PATH: Shape = Text { length: 1..=4096, pattern: None };
static SKILL_S3: Shape = Structure(&[required("uri", &SKILL_S3_URI)]);
static SKILL_S3_URI: Shape = Text { length: 5..=16383, pattern: Some("s3://.*") };
static SKILL_GIT: Shape = Structure(&[
    required("url", &SKILL_GIT_URL),
    optional("path", &STRING),
    optional("auth", &SKILL_GIT_AUTH),
]);
static SKILL_GIT_URL: Shape = Text { length: 8..=16383, pattern: Some("https://[^#@]+") };
static SKILL_GIT_AUTH: Shape =
    Structure(&[required("credentialArn", &API_KEY_ARN), optional("username", &STRING)]);
static AWS_SKILLS: Shape = Structure(&[optional("paths", &AWS_SKILL_PATHS)]);
static AWS_SKILL_PATHS: Shape = List(&AWS_SKILL_PATH);
static AWS_SKILL_PATH: Shape = Text { length: 1..=4096, pattern: Some(r"([^*?\[\]]|\*)+") };

static ALLOWED_TOOLS: Shape = List(&ALLOWED_TOOL);
static ALLOWED_TOOL: Shape = Text { length: 1..=64, pattern: Some(r"(\*|@?[^/]+(/[^/]+)?)") };
