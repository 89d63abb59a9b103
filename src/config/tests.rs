use tracing_subscriber::filter::LevelFilter;

use super::access::{Provider, TokenUse};
use super::environment::{CALLBACK_ENDPOINT, everything};
use super::*;

fn config(variables: &[(&str, &str)]) -> Result<Config, String> {
    Config::from_lookup(|name| {
        variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    })
    .map_err(|error| error.to_string())
}

const REQUIRED: [(&str, &str); 2] = [("AGENT_ID", "ABCDE12345"), ("AGENT_ALIAS_ID", "TSTALIASID")];

fn with(name: &str, value: &str) -> Result<Config, String> {
    config(&[REQUIRED[0], REQUIRED[1], (name, value)])
}

#[test]
fn the_required_variables_are_enough() {
    let config = config(&REQUIRED).unwrap();
    let SourceConfig::BedrockAgent(agent) = &config.source else { panic!("{config:?}") };
    assert_eq!(agent.agent_id, "ABCDE12345");
    assert_eq!(agent.agent_alias_id, "TSTALIASID");
    assert_eq!(agent.memory_id, None);
    assert!(!config.allow_trace);
    assert_eq!(config.keepalive, Duration::from_secs(30));
    assert_eq!(config.max_prompt_chars, 100_000);
    assert!(!config.callback_endpoint_is_set);
    assert_eq!(config.log.filter, everything(LevelFilter::INFO));
    assert_eq!(config.runs, None);
}

#[test]
fn runs_are_kept_where_a_table_is_named() {
    let runs = with("RUNS_TABLE", "agent-relay-RunsTable-1A2B").unwrap().runs.unwrap();
    assert_eq!(runs.table, "agent-relay-RunsTable-1A2B");
    assert_eq!(runs.resume, Duration::from_hours(24));
    assert_eq!(runs.alone, Duration::from_mins(15));
    // A template passes on its parameters, whatever they mean.
    assert_eq!(with("RESUME_HOURS", "0").unwrap().runs, None);
    for (name, value, problem) in [
        ("RUNS_TABLE", "ab", "the name of a table"),
        ("RUNS_TABLE", "arn:aws:dynamodb:eu-west-1:1:table/runs", "the name of a table"),
        ("RESUME_HOURS", "0", "leave out RUNS_TABLE"),
        ("RESUME_HOURS", "169", "from 0 to 168"),
        ("RESUME_HOURS", "a day", "from 0 to 168"),
        ("ALONE_SECONDS", "0", "from 1 to 900"),
        ("ALONE_SECONDS", "901", "from 1 to 900"),
        ("AWS_ENDPOINT_URL_DYNAMODB", "dynamodb", "must be an http or https URL"),
    ] {
        let table = ("RUNS_TABLE", "runs");
        let error = config(&[REQUIRED[0], REQUIRED[1], (name, value), table]);
        let error = if name == "RUNS_TABLE" { with(name, value) } else { error }.unwrap_err();
        assert!(error.contains(name) && error.contains(problem), "{name} {value}: {error}");
    }
}

#[test]
fn every_missing_variable_is_named_in_one_error() {
    let error = config(&[]).unwrap_err();
    assert!(error.contains("AGENT_ID is not set"), "{error}");
    assert!(error.contains("AGENT_ALIAS_ID is not set"), "{error}");
    assert!(error.contains("set HARNESS_ARN"), "{error}");
}

const HARNESS_ARN: &str =
    "arn:aws:bedrock-agentcore:eu-west-1:123456789012:harness/my_harness-AbCdEf1234";

fn harness(more: &[(&str, &str)]) -> Result<HarnessConfig, String> {
    let variables = [&[("HARNESS_ARN", HARNESS_ARN)], more].concat();
    match config(&variables)?.source {
        SourceConfig::AgentcoreHarness(harness) => Ok(harness),
        source => panic!("{source:?}"),
    }
}

#[test]
fn a_harness_is_enough() {
    let only = HarnessConfig {
        harness_arn: HARNESS_ARN.to_owned(),
        region: "eu-west-1".to_owned(),
        endpoint: None,
        memory_id: None,
        stop_on_leave: false,
    };
    assert_eq!(harness(&[]), Ok(only.clone()));
    assert_eq!(harness(&[("AGENT_ID", " "), ("AGENT_ALIAS_ID", "")]), Ok(only.clone()));
    let more =
        [("HARNESS_ENDPOINT", "live_1"), ("MEMORY_ID", "team/a:b"), ("STOP_ON_LEAVE", "true")];
    let all = HarnessConfig {
        endpoint: Some("live_1".to_owned()),
        memory_id: Some("team/a:b".to_owned()),
        stop_on_leave: true,
        ..only
    };
    assert_eq!(harness(&more), Ok(all));
}

#[test]
fn a_wrong_harness_is_named_with_what_is_right() {
    for arn in [
        "my_harness-AbCdEf1234",
        "arn:aws:bedrock-agentcore:eu-west-1:123456789012:runtime/my_harness-AbCdEf1234",
        "arn:aws:bedrock-agentcore:eu-west-1:123456789012:harness/my_harness",
        "arn:aws:bedrock-agentcore:eu-west-1:123456789012:harness/my_harness-AbCdEf12345",
        "arn:aws:bedrock-agentcore:eu-west-1:123456789012:harness/1st-AbCdEf1234",
        "arn:aws:bedrock-agentcore:eu-west-1:12345678901:harness/my_harness-AbCdEf1234",
        "arn:aws:bedrock-agentcore:EU:123456789012:harness/my_harness-AbCdEf1234",
        "arn:aws:bedrock-agentcore::123456789012:harness/my_harness-AbCdEf1234",
        "arn:aws:bedrock:eu-west-1:123456789012:harness/my_harness-AbCdEf1234",
        "arn:aws:bedrock-agentcore:eu-west-1:123456789012:harness/my_harness-AbCdEf1234/live",
    ] {
        let error = config(&[("HARNESS_ARN", arn)]).unwrap_err();
        assert!(error.contains("must be the ARN of a harness"), "{arn}: {error}");
    }
    let endpoint = format!("{HARNESS_ARN}/harness-endpoint/DEFAULT");
    let error = config(&[("HARNESS_ARN", &endpoint)]).unwrap_err();
    assert!(error.contains("HARNESS_ENDPOINT to DEFAULT"), "{error}");
    for (name, value, hint) in [
        ("HARNESS_ENDPOINT", "1st", "a letter, then at most 47"),
        ("HARNESS_ENDPOINT", "live-1", "a letter, then at most 47"),
        ("MEMORY_ID", "team.a", "an actor's id"),
        ("MEMORY_ID", "-team", "an actor's id"),
        ("MEMORY_ID", "team:", "an actor's id"),
        ("STOP_ON_LEAVE", "yes", "true or false"),
    ] {
        let error = harness(&[(name, value)]).unwrap_err();
        assert!(error.contains(name) && error.contains(hint), "{name}={value}: {error}");
    }
}

const RUNTIME_ARN: &str =
    "arn:aws:bedrock-agentcore:eu-west-1:123456789012:runtime/my_agent-AbCdEf1234";

fn runtime(more: &[(&str, &str)]) -> Result<RuntimeConfig, String> {
    let variables = [&[("RUNTIME_ARN", RUNTIME_ARN)], more].concat();
    match config(&variables)?.source {
        SourceConfig::AgentcoreRuntime(runtime) => Ok(runtime),
        source => panic!("{source:?}"),
    }
}

#[test]
fn a_runtime_is_enough() {
    let only = RuntimeConfig {
        runtime_arn: RUNTIME_ARN.to_owned(),
        region: "eu-west-1".to_owned(),
        endpoint: None,
        stop_on_leave: false,
    };
    let empty = [("AGENT_ID", ""), ("HARNESS_ARN", ""), ("MEMORY_ID", "")];
    assert_eq!(runtime(&empty), Ok(only.clone()));
    let more = [("RUNTIME_ENDPOINT", "live_1"), ("STOP_ON_LEAVE", "true")];
    let endpoint = Some("live_1".to_owned());
    assert_eq!(runtime(&more), Ok(RuntimeConfig { endpoint, stop_on_leave: true, ..only }));
}

#[test]
fn a_wrong_runtime_is_named_with_what_is_right() {
    for arn in ["my_agent-AbCdEf1234", HARNESS_ARN, &RUNTIME_ARN[..RUNTIME_ARN.len() - 1]] {
        let error = config(&[("RUNTIME_ARN", arn)]).unwrap_err();
        assert!(error.contains("must be the ARN of a runtime"), "{arn}: {error}");
    }
    let endpoint = format!("{RUNTIME_ARN}/runtime-endpoint/DEFAULT");
    let error = config(&[("RUNTIME_ARN", &endpoint)]).unwrap_err();
    assert!(error.contains("RUNTIME_ENDPOINT to DEFAULT"), "{error}");
    for (name, value, hint) in [
        ("RUNTIME_ENDPOINT", "live-1", "a letter, then at most 47"),
        ("MEMORY_ID", "team", "a memory of its own"),
        ("STOP_ON_LEAVE", "yes", "true or false"),
    ] {
        let error = runtime(&[(name, value)]).unwrap_err();
        assert!(error.contains(name) && error.contains(hint), "{name}={value}: {error}");
    }
}

#[test]
fn there_is_exactly_one_agent() {
    for agent in [&REQUIRED[..], &REQUIRED[..1], &REQUIRED[1..]] {
        for error in [harness(agent).unwrap_err(), runtime(agent).unwrap_err()] {
            assert!(error.contains("there can be only one agent"), "{error}");
        }
    }
    let error = harness(&[("RUNTIME_ARN", RUNTIME_ARN)]).unwrap_err();
    assert!(error.contains("HARNESS_ARN and RUNTIME_ARN are set"), "{error}");
    let error = with("HARNESS_ENDPOINT", "live").unwrap_err();
    assert!(error.contains("HARNESS_ENDPOINT is set, but HARNESS_ARN is not"), "{error}");
    let error = harness(&[("RUNTIME_ENDPOINT", "live")]).unwrap_err();
    assert!(error.contains("RUNTIME_ENDPOINT is set, but RUNTIME_ARN is not"), "{error}");
    assert!(with("STOP_ON_LEAVE", "true").is_ok(), "dropping the stream stops an agent");
}

#[test]
fn an_empty_variable_counts_as_absent() {
    assert!(config(&[("AGENT_ID", " "), REQUIRED[1]]).unwrap_err().contains("AGENT_ID is not set"));
    for (value, memory_id) in [("", None), ("team", Some("team"))] {
        let source = with("MEMORY_ID", value).unwrap().source;
        let SourceConfig::BedrockAgent(agent) = source else { panic!("{source:?}") };
        assert_eq!(agent.memory_id.as_deref(), memory_id);
    }
}

#[test]
fn a_wrong_value_is_named_with_what_is_right() {
    for (name, value, hint) in [
        ("AGENT_ID", "arn:aws:bedrock", "at most 10 letters and digits"),
        ("MEMORY_ID", "a b", "2 to 100 letters"),
        ("ALLOW_TRACE", "yes", "true or false"),
        ("KEEPALIVE_SECONDS", "0", "from 1 to 540"),
        ("KEEPALIVE_SECONDS", "600", "from 1 to 540"),
        ("KEEPALIVE_SECONDS", "soon", "from 1 to 540"),
        ("MAX_PROMPT_CHARS", "-1", "from 1 to 1000000"),
        ("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", "wss://a.example/live", "http or https URL"),
        ("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", "https://u:p@a.example", "http or https URL"),
        ("AWS_ENDPOINT_URL_BEDROCK_AGENT_RUNTIME", "localhost:1234", "http or https URL"),
        ("AWS_ENDPOINT_URL", "https://a b", "http or https URL"),
        ("ACCESS", "everyone", "open, code or oidc"),
        ("ACCESS", "code", "ACCESS_CODE is not set"),
        ("ACCESS", "oidc", "OIDC_ISSUER is \"\""),
        ("ACCESS_CODE", "open sesame", "ACCESS is not"),
        ("OIDC_ISSUER", "https://id.example", "ACCESS is not"),
        ("ALLOWED_ORIGINS", "chat.example.com", "not an origin"),
        ("WEBSOCKET_URL", "https://chat.example.com", "wss://"),
        ("PAGE_SETTINGS", "title: Help desk", "not JSON (expected"),
        ("PAGE_SETTINGS", "[]", "no object: set it to one, for example {"),
        ("PAGE_SETTINGS", r#"{"endpoint": "wss://x"}"#, "from WEBSOCKET_URL"),
        ("PAGE_SETTINGS", r#"{"access": "open"}"#, "from ACCESS"),
        ("PAGE_SETTINGS", r#"{"issuer": null}"#, "from OIDC_ISSUER"),
        ("PAGE_SETTINGS", r#"{"audience": ""}"#, "from OIDC_AUDIENCE"),
        ("PAGE_SETTINGS", r#"{"allowTrace": true}"#, "from ALLOW_TRACE"),
        ("PAGE_SETTINGS", r#"{"suggestions": []}"#, "from SUGGESTED_PROMPTS"),
        ("PAGE_SETTINGS", r#"{"keepaliveSeconds": 9}"#, "from KEEPALIVE_SECONDS"),
        ("PAGE_SETTINGS", r#"{"version": "9"}"#, "from the function itself"),
        ("PAGE_SETTINGS", r#"{"files": {}}"#, "from FILE_USE"),
        ("PAGE_SETTINGS", r#"{"votes": 7}"#, "the \"votes\" 7, but"),
        ("PAGE_SETTINGS", r#"{"votes": "http://example.com"}"#, "must be an https URL"),
        ("PAGE_SETTINGS", r#"{"votes": "https://a.example;script-src *"}"#, "https URL"),
        ("PAGE_SETTINGS", r#"{"votes": "https://a.example;x/"}"#, "https URL"),
        ("PAGE_SETTINGS", r#"{"votes": "https://u:p@a.example/"}"#, "https URL"),
        ("AWS_LAMBDA_LOG_LEVEL", "loud", "TRACE, DEBUG"),
        ("AWS_LAMBDA_LOG_FORMAT", "xml", "JSON or Text"),
        ("RUST_LOG", "agent_relay=loud", "agent_relay=debug"),
    ] {
        let variables = [(name, value), REQUIRED[0], REQUIRED[1]];
        let error = config(&variables).unwrap_err();
        assert!(error.contains(name) && error.contains(hint), "{name}={value}: {error}");
    }
}

#[test]
fn who_may_connect_is_read_as_a_whole() {
    let access =
        |more: &[(&str, &str)]| config(&[&REQUIRED[..], more].concat()).map(|config| config.access);
    assert_eq!(access(&[]), Ok(Access::Open));
    let code = access(&[("ACCESS", "code"), ("ACCESS_CODE", "open sesame")]);
    assert_eq!(code, Ok(Access::Code("open sesame".to_owned())));
    let issuer = [("ACCESS", "oidc"), ("OIDC_ISSUER", "https://id.example/")];
    for (word, token_use) in [
        ("", TokenUse::Any),
        ("any", TokenUse::Any),
        ("access", TokenUse::Access),
        ("id", TokenUse::Id),
    ] {
        let (issuer_url, audience) = (issuer[1].1.to_owned(), "chat".to_owned());
        let provider = Provider { issuer: issuer_url, audience, token_use };
        let variables = [("OIDC_AUDIENCE", "chat"), ("OIDC_TOKEN_USE", word)];
        let oidc = access(&[issuer[0], issuer[1], variables[0], variables[1]]);
        assert_eq!(oidc, Ok(Access::Oidc(provider)));
    }
    assert!(access(&issuer).unwrap_err().contains("OIDC_AUDIENCE is not set"));
}

#[test]
fn the_page_connects_where_the_callbacks_go_unless_told_otherwise() {
    let page = |more: &[(&str, &str)]| config(&[&REQUIRED[..], more].concat()).unwrap().page;
    let nothing = PageConfig { endpoint: None, suggestions: vec![], settings: Map::new() };
    assert_eq!(page(&[]), nothing);
    assert_eq!(page(&[("PAGE_SETTINGS", " ")]), nothing);
    let settings = page(&[("PAGE_SETTINGS", r#"{"title": "Help desk", "colours": {}}"#)]).settings;
    assert_eq!(Value::Object(settings), serde_json::json!({"title": "Help desk", "colours": {}}));
    let callback = (CALLBACK_ENDPOINT, "https://abc.execute-api.eu-west-1.amazonaws.com/live");
    let page_ = page(&[callback, ("SUGGESTED_PROMPTS", "What can you do? | Refund A-1017 |")]);
    let endpoint = "wss://abc.execute-api.eu-west-1.amazonaws.com/live";
    assert_eq!(page_.endpoint.as_deref(), Some(endpoint));
    assert_eq!(page_.suggestions, ["What can you do?", "Refund A-1017"]);
    let custom = page(&[callback, ("WEBSOCKET_URL", "wss://chat.example.com")]);
    assert_eq!(custom.endpoint.as_deref(), Some("wss://chat.example.com"));
}

#[test]
fn the_log_level_is_lambdas_and_rust_log_wins() {
    assert_eq!(
        with("AWS_LAMBDA_LOG_LEVEL", "DEBUG").unwrap().log.filter,
        everything(LevelFilter::DEBUG)
    );
    assert_eq!(
        with("AWS_LAMBDA_LOG_LEVEL", "FATAL").unwrap().log.filter,
        everything(LevelFilter::ERROR)
    );
    let both = config(&[
        REQUIRED[0],
        REQUIRED[1],
        ("AWS_LAMBDA_LOG_LEVEL", "DEBUG"),
        ("RUST_LOG", "warn"),
        ("AWS_LAMBDA_LOG_FORMAT", "JSON"),
    ])
    .unwrap();
    assert_eq!(both.log.filter, everything(LevelFilter::WARN));
    assert!(both.log.json);
}
