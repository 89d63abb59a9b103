//! What the scripted agent can say, as the AWS SDK's own client receives it over a real socket.

use std::time::Duration;

use aws_sdk_bedrockagentruntime::Client;
use aws_sdk_bedrockagentruntime::config::retry::RetryConfig;
use aws_sdk_bedrockagentruntime::config::{
    BehaviorVersion, Config, Region, StalledStreamProtectionConfig,
};
use aws_sdk_bedrockagentruntime::error::{DisplayErrorContext, SdkError};
use aws_sdk_bedrockagentruntime::operation::invoke_agent::InvokeAgentError;
use aws_sdk_bedrockagentruntime::types::error::ResponseStreamError;
use aws_sdk_bedrockagentruntime::types::{
    ActionInvocationType, ApiResult, Caller, Citation, ConfirmationState, ContentBody,
    FunctionResult, GuardrailAction, InvocationInputMember, InvocationResultMember,
    OrchestrationTrace, OutputFile, ResponseState, ResponseStream, ReturnControlPayload,
    SessionState, StreamingConfigurations, Trace, TracePart,
};
use local_aws::{AGENT_ALIAS_ID, AGENT_ID, Entry, LocalAws, Options, file_bytes};
use test_support::{soon, start, wait_for_entry};

/// A caller of the scripted agent, in one session.
struct Conversation<'a> {
    aws: &'a LocalAws,
    client: Client,
    session_id: &'static str,
}

/// What a whole answer consists of.
#[derive(Debug, Default)]
struct Answer {
    text: String,
    chunks: usize,
    traces: Vec<TracePart>,
    citations: Vec<Citation>,
    returned: Option<ReturnControlPayload>,
    files: Vec<Vec<OutputFile>>,
    /// The error that ended the stream, in words, and its exception, if it is one.
    broke: Option<(String, Option<ResponseStreamError>)>,
}

impl<'a> Conversation<'a> {
    fn new(aws: &'a LocalAws, session_id: &'static str) -> Self {
        Self::at(aws, aws.agent_url(), session_id)
    }

    /// The same at another endpoint of it.
    fn at(aws: &'a LocalAws, endpoint_url: String, session_id: &'static str) -> Self {
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .endpoint_url(endpoint_url)
            .allow_no_auth()
            .retry_config(RetryConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .build();
        Self { aws, client: Client::from_conf(config), session_id }
    }

    /// Invokes the agent with a prompt, traces and streaming, and reads the answer to its end.
    async fn say(&self, prompt: &str) -> Answer {
        self.invoke(Some(prompt), None).await.unwrap_or_else(|error| panic!("{error:?}"))
    }

    /// Answers a return of control. The prompt beside it is one that must be ignored.
    async fn answer(
        &self,
        invocation_id: &str,
        results: Vec<InvocationResultMember>,
    ) -> Result<Answer, InvokeAgentError> {
        let state = SessionState::builder()
            .invocation_id(invocation_id)
            .set_return_control_invocation_results(Some(results))
            .build();
        self.invoke(Some("/error teapot"), Some(state)).await
    }

    async fn invoke(
        &self,
        prompt: Option<&str>,
        state: Option<SessionState>,
    ) -> Result<Answer, InvokeAgentError> {
        let request = self
            .client
            .invoke_agent()
            .agent_id(AGENT_ID)
            .agent_alias_id(AGENT_ALIAS_ID)
            .session_id(self.session_id)
            .set_input_text(prompt.map(str::to_owned))
            .set_session_state(state)
            .enable_trace(true)
            .streaming_configurations(
                StreamingConfigurations::builder().stream_final_response(true).build(),
            );
        let mut stream = match soon("the response", request.send()).await {
            Ok(output) => output.completion,
            Err(SdkError::ServiceError(error)) => return Err(error.into_err()),
            Err(other) => panic!("{}", DisplayErrorContext(other)),
        };
        let mut answer = Answer::default();
        loop {
            match soon("an event", stream.recv()).await {
                Ok(Some(ResponseStream::Chunk(chunk))) => {
                    let attribution = chunk.attribution.and_then(|known| known.citations);
                    answer.citations.extend(attribution.unwrap_or_default());
                    let bytes = chunk.bytes.unwrap().into_inner();
                    answer.text += std::str::from_utf8(&bytes).unwrap();
                    answer.chunks += 1;
                }
                Ok(Some(ResponseStream::Trace(part))) => answer.traces.push(part),
                Ok(Some(ResponseStream::ReturnControl(payload))) => answer.returned = Some(payload),
                Ok(Some(ResponseStream::Files(part))) => answer.files.push(part.files.unwrap()),
                Ok(Some(other)) => panic!("{other:?}"),
                Ok(None) => return Ok(answer),
                Err(error) => {
                    let words = DisplayErrorContext(&error).to_string();
                    let exception = match error {
                        SdkError::ServiceError(error) => Some(error.into_err()),
                        _ => None,
                    };
                    answer.broke = Some((words, exception));
                    return Ok(answer);
                }
            }
        }
    }

    /// The message of the validation exception that an answer gets.
    async fn refused(&self, id: &str, results: Vec<InvocationResultMember>) -> String {
        match self.answer(id, results).await {
            Err(InvokeAgentError::ValidationException(error)) => error.message.unwrap(),
            other => panic!("not refused: {other:?}"),
        }
    }
}

impl Answer {
    /// The id of the return of control, and its calls.
    fn returned(&self) -> (&str, &[InvocationInputMember]) {
        let payload = self.returned.as_ref().expect("control is returned");
        assert_eq!(self.text, "", "an agent that asks back says nothing");
        (payload.invocation_id.as_deref().unwrap(), payload.invocation_inputs())
    }
}

fn content(body: &str) -> ContentBody {
    ContentBody::builder().body(body).build()
}

fn weather(body: &str) -> InvocationResultMember {
    let result = FunctionResult::builder()
        .action_group("weather")
        .function("get_weather")
        .response_body("TEXT", content(body));
    InvocationResultMember::FunctionResult(result.build().unwrap())
}

fn api(group: &str, method: &str, path: &str, body: &str) -> InvocationResultMember {
    let result = ApiResult::builder()
        .action_group(group)
        .http_method(method)
        .api_path(path)
        .http_status_code(200)
        .response_body("application/json", content(body));
    InvocationResultMember::ApiResult(result.build().unwrap())
}

fn calendar(function: &str) -> InvocationResultMember {
    let result = FunctionResult::builder()
        .action_group("calendar")
        .function(function)
        .response_body("TEXT", content("tomorrow at nine"));
    InvocationResultMember::FunctionResult(result.build().unwrap())
}

#[tokio::test]
async fn tool_asks_for_a_function_and_quotes_its_result() {
    let aws = start(Options::default()).await;
    let caller = Conversation::new(&aws, "session");
    let asked = caller.say("/tool").await;
    let (id, inputs) = asked.returned();
    let [InvocationInputMember::FunctionInvocationInput(input)] = inputs else {
        panic!("{inputs:?}")
    };
    assert_eq!(input.action_group, "weather");
    assert_eq!(input.function.as_deref(), Some("get_weather"));
    assert_eq!(input.action_invocation_type, Some(ActionInvocationType::Result));
    assert_eq!(input.agent_id.as_deref(), Some(AGENT_ID));
    assert_eq!(input.collaborator_name, None);
    let parameters: Vec<_> = input
        .parameters()
        .iter()
        .map(|parameter| {
            let text = |value: &Option<String>| value.clone().unwrap();
            (text(&parameter.name), text(&parameter.r#type), text(&parameter.value))
        })
        .collect();
    let parameter =
        |name: &str, kind: &str, value: &str| (name.to_owned(), kind.to_owned(), value.to_owned());
    assert_eq!(
        parameters,
        [parameter("city", "string", "Zürich"), parameter("days", "integer", "3")],
    );
    let in_trace = asked.traces.iter().find_map(|part| match part.trace.as_ref().unwrap() {
        Trace::OrchestrationTrace(OrchestrationTrace::InvocationInput(input)) => {
            input.action_group_invocation_input.as_ref()?.invocation_id.clone()
        }
        _ => None,
    });
    assert_eq!(in_trace.as_deref(), Some(id));

    let answer = caller.answer(id, vec![weather("14 °C, dry")]).await.unwrap();
    assert!(answer.text.contains("`weather get_weather` returned `14 °C, dry`."), "{answer:?}");
    assert!(answer.text.contains("still turn 1"), "{answer:?}");
    assert!(caller.say("hello").await.text.contains("turn 2"));
    aws.stop().await;
}

#[tokio::test]
async fn tool_api_asks_by_openapi_with_parameters_and_a_body() {
    let aws = start(Options::default()).await;
    let caller = Conversation::new(&aws, "session");
    let asked = caller.say("/tool api").await;
    let (id, inputs) = asked.returned();
    let [InvocationInputMember::ApiInvocationInput(input)] = inputs else { panic!("{inputs:?}") };
    assert_eq!(input.action_group, "orders");
    assert_eq!(input.http_method.as_deref(), Some("POST"));
    assert_eq!(input.api_path.as_deref(), Some("/orders/{orderId}/refunds"));
    assert_eq!(input.parameters()[0].value.as_deref(), Some("A-1017"));
    let body = &input.request_body.as_ref().unwrap().content.as_ref().unwrap()["application/json"];
    let values = body.properties().iter().map(|property| property.value.as_deref().unwrap());
    assert_eq!(
        values.collect::<Vec<_>>(),
        ["12.50", "CHF", "“arrived broken”, said the customer", r#"["cup", "saucer"]"#],
    );
    let results = vec![api("orders", "POST", "/orders/{orderId}/refunds", "{\"ok\":true}")];
    let answer = caller.answer(id, results).await.unwrap();
    assert!(answer.text.contains(r#"returned `{"ok":true}`."#), "{answer:?}");
    aws.stop().await;
}

#[tokio::test]
async fn tool_5_asks_for_five_calls_of_both_kinds_and_wants_every_result() {
    let aws = start(Options::default()).await;
    let caller = Conversation::new(&aws, "session");
    let asked = caller.say("/tool 5").await;
    let (id, inputs) = asked.returned();
    assert_eq!(inputs.len(), 5);
    let record = wait_for_entry(&aws, "the return", |entry| {
        matches!(entry, Entry::AgentReturnedControl { calls: 5, .. })
    });
    let Entry::AgentReturnedControl { invocation_id, .. } = record.await.entry else {
        unreachable!()
    };
    assert_eq!(invocation_id, id);
    let mut results = vec![
        calendar("book_slot"),
        api("stock", "GET", "/articles/{articleId}", "7"),
        calendar("find_free_slot"),
        api("orders", "POST", "/orders/{orderId}/refunds", "{}"),
    ];
    let missing = caller.refused(id, results.clone()).await;
    assert!(missing.contains("no result of 'weather get_weather'"), "{missing}");
    results.push(weather("14"));
    let answer = caller.answer(id, results).await.unwrap();
    assert_eq!(answer.text.matches("returned").count(), 5, "{answer:?}");
    aws.stop().await;
}

#[tokio::test]
async fn tool_team_asks_in_the_name_of_a_collaborator() {
    let aws = start(Options::default()).await;
    let caller = Conversation::new(&aws, "session");
    let asked = caller.say("/tool team").await;
    let (id, inputs) = asked.returned();
    let [InvocationInputMember::FunctionInvocationInput(input)] = inputs else {
        panic!("{inputs:?}")
    };
    assert_eq!(input.collaborator_name.as_deref(), Some("weather-desk"));
    assert_ne!(input.agent_id.as_deref(), Some(AGENT_ID));
    let result = FunctionResult::builder()
        .action_group("station")
        .function("read_thermometer")
        .set_agent_id(input.agent_id.clone())
        .response_body("TEXT", content("14"));
    let results = vec![InvocationResultMember::FunctionResult(result.build().unwrap())];
    let answer = caller.answer(id, results).await.unwrap();
    assert!(answer.text.contains("returned `14`"), "{answer:?}");
    aws.stop().await;
}

#[tokio::test]
async fn confirm_asks_the_user_in_both_kinds_and_hears_yes_and_no() {
    let aws = start(Options::default()).await;
    let caller = Conversation::new(&aws, "session");
    let function = |state| {
        let result = FunctionResult::builder()
            .action_group("bookings")
            .function("cancel_booking")
            .confirmation_state(state);
        InvocationResultMember::FunctionResult(result.build().unwrap())
    };
    for (state, words) in
        [(ConfirmationState::Confirm, "**confirmed**"), (ConfirmationState::Deny, "**declined**")]
    {
        let asked = caller.say("/confirm").await;
        let (id, inputs) = asked.returned();
        let [InvocationInputMember::FunctionInvocationInput(input)] = inputs else {
            panic!("{inputs:?}")
        };
        assert_eq!(input.action_invocation_type, Some(ActionInvocationType::UserConfirmation));
        let answer = caller.answer(id, vec![function(state.clone())]).await.unwrap();
        assert!(answer.text.contains(words), "{answer:?}");

        let asked = caller.say("/confirm api").await;
        let (id, inputs) = asked.returned();
        let [InvocationInputMember::ApiInvocationInput(input)] = inputs else {
            panic!("{inputs:?}")
        };
        assert_eq!(input.action_invocation_type, Some(ActionInvocationType::UserConfirmation));
        let result = ApiResult::builder()
            .action_group("payments")
            .http_method("POST")
            .api_path("/transfers")
            .confirmation_state(state);
        let results = vec![InvocationResultMember::ApiResult(result.build().unwrap())];
        let answer = caller.answer(id, results).await.unwrap();
        assert!(answer.text.contains(words), "{answer:?}");
    }
    let asked = caller.say("/confirm result").await;
    let (id, inputs) = asked.returned();
    let [InvocationInputMember::FunctionInvocationInput(input)] = inputs else {
        panic!("{inputs:?}")
    };
    let kind = ActionInvocationType::UserConfirmationAndResult;
    assert_eq!(input.action_invocation_type, Some(kind));
    let bare = caller.refused(id, vec![function(ConfirmationState::Confirm)]).await;
    assert!(bare.contains("responseBody is required"), "{bare}");
    aws.stop().await;
}

#[tokio::test]
async fn results_that_nobody_asked_for_are_refused_and_the_right_ones_still_welcome() {
    let aws = start(Options::default()).await;
    let caller = Conversation::new(&aws, "session");
    let stranger = Conversation::new(&aws, "another-session");
    let early = caller.refused("some-id", vec![weather("14")]).await;
    assert!(early.contains("No return of control is pending"), "{early}");

    let asked = caller.say("/tool").await;
    let (id, _) = asked.returned();
    let foreign = stranger.refused(id, vec![weather("14")]).await;
    assert!(foreign.contains("No return of control is pending in this session"), "{foreign}");
    let unknown = caller.refused("some-id", vec![weather("14")]).await;
    assert!(unknown.contains("The invocationId 'some-id' is not the one"), "{unknown}");
    let wrong = caller.refused(id, vec![calendar("find_free_slot")]).await;
    assert!(wrong.contains("did not ask for the function 'find_free_slot'"), "{wrong}");
    let six = caller.refused(id, vec![weather("14"); 6]).await;
    assert!(six.contains("from 1 to 5 members, not 6"), "{six}");
    let none = caller.refused(id, vec![]).await;
    assert!(none.contains("from 1 to 5 members, not 0"), "{none}");
    assert!(caller.answer(id, vec![weather("14")]).await.is_ok());
    let twice = caller.refused(id, vec![weather("14")]).await;
    assert!(twice.contains("No return of control is pending"), "{twice}");

    let asked = caller.say("/tool").await;
    let (id, _) = asked.returned();
    caller.say("/guardrail").await;
    let late = caller.refused(id, vec![weather("14")]).await;
    assert!(late.contains("A new prompt withdraws one"), "{late}");
    aws.stop().await;
}

#[tokio::test]
async fn a_result_that_is_a_failure_fails_the_request_as_a_dependency() {
    let aws = start(Options::default()).await;
    let caller = Conversation::new(&aws, "session");
    let asked = caller.say("/tool").await;
    let (id, _) = asked.returned();
    let result = FunctionResult::builder()
        .action_group("weather")
        .function("get_weather")
        .response_state(ResponseState::Failure)
        .response_body("TEXT", content("no such city"));
    let results = vec![InvocationResultMember::FunctionResult(result.build().unwrap())];
    match caller.answer(id, results).await {
        Err(InvokeAgentError::DependencyFailedException(error)) => assert_eq!(
            error.message.as_deref(),
            Some("The caller reported that 'weather get_weather' failed: no such city"),
        ),
        other => panic!("{other:?}"),
    }
    aws.stop().await;
}

#[tokio::test]
async fn file_hands_over_a_csv_and_a_png() {
    let aws = start(Options::default()).await;
    let answer = Conversation::new(&aws, "session").say("/file").await;
    let [files] = &answer.files[..] else { panic!("{:?}", answer.files) };
    let [csv, png] = &files[..] else { panic!("{files:?}") };
    assert_eq!(csv.name.as_deref(), Some("forecast.csv"));
    assert_eq!(csv.r#type.as_deref(), Some("text/csv"));
    assert!(csv.bytes.as_ref().unwrap().as_ref().starts_with(b"day,high_celsius,rain_mm\n"));
    assert_eq!(png.name.as_deref(), Some("forecast.png"));
    assert_eq!(png.r#type.as_deref(), Some("image/png"));
    let bytes = png.bytes.as_ref().unwrap().as_ref();
    assert!(bytes.starts_with(b"\x89PNG\r\n\x1a\n") && bytes.ends_with(b"IEND\xaeB`\x82"));
    assert!(answer.text.contains("chart"), "{answer:?}");
    aws.stop().await;
}

#[tokio::test]
async fn file_8_hands_over_eight_megabytes_that_a_test_can_make_too() {
    let aws = start(Options::default()).await;
    let answer = Conversation::new(&aws, "session").say("/file 8").await;
    let [files] = &answer.files[..] else { panic!("{} events", answer.files.len()) };
    let [file] = &files[..] else { panic!("{} files", files.len()) };
    assert_eq!(file.name.as_deref(), Some("measurements.bin"));
    // No `assert_eq`: it would print both.
    assert!(file.bytes.as_ref().unwrap().as_ref() == file_bytes(8));
    aws.stop().await;
}

#[tokio::test]
async fn guardrail_shows_that_it_intervened_and_says_the_blocked_message() {
    let aws = start(Options::default()).await;
    let answer = Conversation::new(&aws, "session").say("/guardrail").await;
    assert_eq!(answer.text, "Sorry, the model cannot answer this question.");
    let [part] = &answer.traces[..] else { panic!("{:?}", answer.traces) };
    let Some(Trace::GuardrailTrace(trace)) = &part.trace else { panic!("{part:?}") };
    assert_eq!(trace.action, Some(GuardrailAction::Intervened));
    let [assessment] = trace.input_assessments() else { panic!("{trace:?}") };
    let topics = assessment.topic_policy.as_ref().unwrap().topics();
    assert_eq!(topics[0].action.as_ref().unwrap().as_str(), "BLOCKED");
    let filters = assessment.content_policy.as_ref().unwrap().filters();
    assert_eq!(filters[0].r#type.as_ref().unwrap().as_str(), "PROMPT_ATTACK");
    aws.stop().await;
}

#[tokio::test]
async fn team_shows_collaborators_with_the_chain_of_their_callers() {
    let aws = start(Options::default()).await;
    let answer = Conversation::new(&aws, "session").say("/team").await;
    assert!(answer.text.contains("trip planner"), "{answer:?}");
    let arn = |caller: &Caller| caller.as_agent_alias_arn().unwrap().clone();
    let mut names: Vec<Option<&str>> = Vec::new();
    for part in &answer.traces {
        let name = part.collaborator_name.as_deref();
        let chain: Vec<String> = part.caller_chain().iter().map(arn).collect();
        let depth = match name {
            None => 1,
            Some("trip-planner") => 2,
            Some("weather-desk") => 3,
            other => panic!("{other:?}"),
        };
        assert_eq!(chain.len(), depth, "{part:?}");
        assert!(chain[0].ends_with(&format!("/{AGENT_ID}/{AGENT_ALIAS_ID}")), "{chain:?}");
        let own = format!(
            "/{}/{}",
            part.agent_id.as_ref().unwrap(),
            part.agent_alias_id.as_ref().unwrap()
        );
        assert!(chain[depth - 1].ends_with(&own), "{chain:?} {own}");
        if names.last() != Some(&name) {
            names.push(name);
        }
    }
    let (planner, desk) = (Some("trip-planner"), Some("weather-desk"));
    assert_eq!(names, [None, planner, desk, planner, None], "they are nested");
    let routed = answer
        .traces
        .iter()
        .filter(|part| matches!(part.trace, Some(Trace::RoutingClassifierTrace(_))));
    assert_eq!(routed.count(), 2);
    let delegated = answer.traces.iter().filter_map(|part| match part.trace.as_ref()? {
        Trace::OrchestrationTrace(OrchestrationTrace::Observation(observation)) => observation
            .agent_collaborator_invocation_output
            .as_ref()?
            .agent_collaborator_name
            .as_deref(),
        _ => None,
    });
    assert_eq!(delegated.collect::<Vec<_>>(), ["weather-desk", "trip-planner"]);
    aws.stop().await;
}

#[tokio::test]
async fn cut_breaks_the_connection_after_the_chunks_before_it() {
    let aws = start(Options::default()).await;
    for chunks in [0, 3] {
        let caller = Conversation::new(&aws, "session");
        let answer = caller.say(&format!("/cut {chunks}")).await;
        assert_eq!(answer.chunks, chunks);
        let (words, exception) = answer.broke.expect("the stream breaks");
        assert!(exception.is_none(), "{words}");
        wait_for_entry(
            caller.aws,
            "the break",
            |entry| matches!(entry, Entry::AgentBroke { chunks: sent, .. } if *sent == chunks),
        )
        .await;
        let dropped = |entry: &Entry| matches!(entry, Entry::AgentDropped { .. });
        assert!(!aws.journal().entries().iter().any(dropped));
    }
    aws.stop().await;
}

#[tokio::test]
async fn corrupt_spoils_a_checksum_after_the_chunks_before_it() {
    let aws = start(Options::default()).await;
    for chunks in [0, 3] {
        let answer = Conversation::new(&aws, "session").say(&format!("/corrupt {chunks}")).await;
        assert_eq!(answer.chunks, chunks);
        let (words, exception) = answer.broke.expect("the stream breaks");
        assert!(exception.is_none() && words.contains("checksum"), "{words}");
    }
    aws.stop().await;
}

#[tokio::test]
async fn pause_is_silent_in_mid_answer() {
    let aws = start(Options::default()).await;
    let answer = Conversation::new(&aws, "session").say("/pause 3 0.5").await;
    assert!(answer.text.starts_with("chunk 1 chunk 2 chunk 3 And after 0.5 seconds"), "{answer:?}");
    let chunk = |n: usize| {
        wait_for_entry(
            &aws,
            "a chunk",
            move |entry| matches!(entry, Entry::AgentChunk { n: sent, .. } if *sent == n),
        )
    };
    let (last, next) = (chunk(3).await, chunk(4).await);
    assert!(next.at - last.at >= Duration::from_millis(500));
    aws.stop().await;
}

#[tokio::test]
async fn play_plays_a_timeline_turn_by_turn_and_goes_on_after_results() {
    let folder = std::env::temp_dir().join(format!("play-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("below")).unwrap();
    let timeline = r#"{"turn":1}
{"after_ms":400,"chunk":"first "}
{"trace":{"orchestrationTrace":{"rationale":{"text":"why","traceId":"t"}}}}
{"turn":2}
{"returnControl":{"invocationId":"asked","invocationInputs":[{"functionInvocationInput":{"actionGroup":"weather","function":"get_weather"}}]}}
{"turn":3}
{"chunk":"third, turn ${turn}"}
"#;
    std::fs::write(folder.join("below/turns.jsonl"), timeline).unwrap();
    std::fs::write(folder.join("bad.jsonl"), "{\"chunk\":\"fine\"}\n{\"chunk\":SECRET}\n").unwrap();
    let aws = start(Options { timelines: Some(folder.clone()), ..Options::default() }).await;
    let caller = Conversation::new(&aws, "session");

    let first = caller.say("/play below/turns.jsonl").await;
    assert_eq!((&*first.text, first.traces.len()), ("first ", 1));
    assert_eq!(first.traces[0].session_id.as_deref(), Some("session"));
    let second = caller.say("/play below/turns.jsonl").await;
    assert_eq!(second.returned().0, "asked");
    let wrong = caller.refused("asked", vec![calendar("find_free_slot")]).await;
    assert!(wrong.contains("did not ask"), "{wrong}");
    assert_eq!(caller.answer("asked", vec![weather("14")]).await.unwrap().text, "third, turn 2");
    assert_eq!(caller.say("/play below/turns.jsonl").await.text, "first ", "it begins again");
    caller.say("/play below/turns.jsonl 2").await;
    assert_eq!(caller.answer("asked", vec![weather("14")]).await.unwrap().text, "third, turn 4");
    // A turn that asks is forgotten with the next prompt, and so is the place in the timeline.
    caller.say("/play below/turns.jsonl").await;
    caller.say("/guardrail").await;
    assert_eq!(caller.say("/play below/turns.jsonl").await.text, "first ");

    let begun = std::time::Instant::now();
    caller.say("/play below/turns.jsonl 1 --speed 0").await;
    assert!(begun.elapsed() < Duration::from_millis(400));
    for (prompt, reason) in [
        ("/play below/turns.jsonl 4", "The timeline has no turn 4, but 3."),
        ("/play ../turns.jsonl", "in the folder of the timelines"),
        ("/play /etc/passwd", "in the folder of the timelines"),
        ("/play bad.jsonl", "The file is no timeline: line 2: it is not JSON"),
        ("/play missing.jsonl", "There is no such file"),
    ] {
        let text = caller.say(prompt).await.text;
        assert!(text.contains(reason) && !text.contains("SECRET"), "{prompt}: {text}");
        assert!(text.contains("| `/play FILE [TURN] [--speed X]` |"), "{prompt}: {text}");
    }
    aws.stop().await;

    let aws = start(Options::default()).await;
    let text = Conversation::new(&aws, "session").say("/play below/turns.jsonl").await.text;
    assert!(text.contains("was given no folder of timelines"), "{text}");
    aws.stop().await;
    std::fs::remove_dir_all(folder).unwrap();
}

/// A folder for one test.
fn folder(name: &str) -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[tokio::test]
async fn what_is_recorded_is_played_as_it_was_said() {
    let folder = folder("record");
    let file = folder.join("said.jsonl");
    let options = Options { record: Some(file.clone()), ..Options::default() };
    let recording = start(options).await;
    let caller = Conversation::at(&recording, recording.recorder_url(), "a-session-to-record");
    let prompts = [
        "hello",
        "/team",
        "/file",
        "/trace 100",
        "/guardrail",
        "/tool 2",
        "/error throttling 3",
        "/cut 2",
    ];
    let mut said = Vec::new();
    for prompt in prompts {
        said.push(caller.say(prompt).await);
    }
    let refused = caller.invoke(Some("/error validationException"), None).await.unwrap_err();
    assert!(refused.is_validation_exception(), "{refused:?}");
    for turn in 1..=prompts.len() {
        let recorded = |entry: &Entry| matches!(entry, Entry::AgentRecorded { turn: seen, .. } if *seen == turn);
        wait_for_entry(&recording, "the recording", recorded).await;
    }
    recording.stop().await;

    let text = std::fs::read_to_string(&file).unwrap();
    assert!(!text.contains("a-session-to-record"), "{text}");
    assert!(!text.contains(AGENT_ID), "{text}");
    assert_eq!(text.matches("{\"turn\":").count(), prompts.len(), "a refusal is no turn");

    let aws = start(Options { timelines: Some(folder.clone()), ..Options::default() }).await;
    let caller = Conversation::new(&aws, "another-session");
    for (prompt, said) in prompts.iter().zip(said) {
        let played = caller.say("/play said.jsonl --speed 0").await;
        assert_eq!(played.text, said.text, "{prompt}");
        assert_eq!(played.chunks, said.chunks, "{prompt}");
        assert_eq!(played.citations, said.citations, "{prompt}");
        assert_eq!(played.files, said.files, "{prompt}");
        assert_eq!(played.returned, said.returned, "{prompt}");
        assert_eq!(played.broke.is_some(), said.broke.is_some(), "{prompt}");
        let exception =
            |answer: &Answer| answer.broke.as_ref().map(|(_, exception)| format!("{exception:?}"));
        if said.broke.as_ref().is_some_and(|(_, exception)| exception.is_some()) {
            assert!(exception(&played).unwrap().starts_with("Some(ThrottlingException"));
        }
        assert_eq!(played.traces.len(), said.traces.len(), "{prompt}");
        for (mut played, said) in played.traces.into_iter().zip(said.traces) {
            assert_eq!(played.session_id.as_deref(), Some("another-session"));
            played.session_id.clone_from(&said.session_id);
            assert_eq!(played, said, "{prompt}");
        }
    }
    aws.stop().await;
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn recording_does_not_hold_the_stream_up_and_keeps_what_was_said_to_one_who_left() {
    let folder = folder("record-left");
    let file = folder.join("said.jsonl");
    let aws = start(Options { record: Some(file.clone()), ..Options::default() }).await;
    let caller = Conversation::at(&aws, aws.recorder_url(), "session");
    let request = caller
        .client
        .invoke_agent()
        .agent_id(AGENT_ID)
        .agent_alias_id(AGENT_ALIAS_ID)
        .session_id("session")
        .input_text("/pause 3 600")
        .streaming_configurations(
            StreamingConfigurations::builder().stream_final_response(true).build(),
        );
    let mut stream = soon("the response", request.send()).await.unwrap().completion;
    for _ in 0..3 {
        assert!(soon("a chunk", stream.recv()).await.unwrap().unwrap().is_chunk());
    }
    drop(stream);
    let recorded = |entry: &Entry| matches!(entry, Entry::AgentRecorded { turn: 1, events: 3, .. });
    wait_for_entry(&aws, "the recording", recorded).await;
    let dropped = |entry: &Entry| matches!(entry, Entry::AgentDropped { chunks: 3, .. });
    wait_for_entry(&aws, "the end of the scripted agent's stream", dropped).await;
    aws.stop().await;
    assert!(std::fs::read_to_string(&file).unwrap().contains("chunk 3"));
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_recording_that_cannot_be_written_breaks_no_answer() {
    let folder = folder("record-lost");
    let file = folder.join("said.jsonl");
    let aws = start(Options { record: Some(file.clone()), ..Options::default() }).await;
    let again = LocalAws::start(Options { record: Some(file), ..Options::default() }).await;
    let problem = again.unwrap_err().to_string();
    assert!(problem.starts_with("cannot record in ") && problem.contains("exists"), "{problem}");

    std::fs::remove_dir_all(folder).unwrap();
    let caller = Conversation::at(&aws, aws.recorder_url(), "session");
    let answer = caller.say("/slow 0").await;
    assert!(answer.text.ends_with("This is turn 1 of this conversation."), "{answer:?}");
    let failed = |entry: &Entry| matches!(entry, Entry::RecordingFailed { .. });
    wait_for_entry(&aws, "the failure", failed).await;
    aws.stop().await;
}
