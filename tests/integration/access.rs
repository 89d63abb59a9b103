//! Who gets in: every way of trying it without the right to, over real handshakes with the function as
//! a process; and what those who are in can reach of each other.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use local_aws::{Entry, Options};
use serde_json::{Value, json};
use test_support::issuer::{AUDIENCE, Issuer, IssuerBehaviour, Key, now};
use test_support::test_bed::{TestBed, ask, function_program, prompt, relay_options, text};
use test_support::{Client, soon, start, wait_for_entry};
use tokio_tungstenite::tungstenite::Error;

const CODE: &str = "correct horse battery staple";

fn credential(secret: &str) -> String {
    format!("token.{}", URL_SAFE_NO_PAD.encode(secret))
}

/// The subprotocols that the page offers.
fn offer(secret: &str) -> String {
    format!("agent-relay, {}", credential(secret))
}

async fn with_code() -> TestBed {
    guarded(&[("ACCESS", "code"), ("ACCESS_CODE", CODE)]).await
}

async fn with_issuer(issuer: &Issuer) -> TestBed {
    let variables =
        [("ACCESS", "oidc"), ("OIDC_ISSUER", &*issuer.url), ("OIDC_AUDIENCE", AUDIENCE)];
    guarded(&variables).await
}

/// The function as the authorizer of `$connect`, too, with these variables.
async fn guarded(variables: &[(&str, &str)]) -> TestBed {
    let options = Options { authorizer: true, ..Options::default() };
    TestBed::with_environment(options, variables).await
}

/// Handshakes with a credential.
trait Handshakes {
    async fn try_with(
        &self,
        protocols: Option<&str>,
        origin: Option<&str>,
    ) -> Result<Client, Error>;
    async fn enters(&self, secret: &str) -> Client;
    async fn refuses(&self, secret: &str);
    fn log(&self) -> String;
    async fn says(&self, part: &str);
}

impl Handshakes for TestBed {
    /// Tries to connect with these subprotocols and this origin.
    async fn try_with(
        &self,
        protocols: Option<&str>,
        origin: Option<&str>,
    ) -> Result<Client, Error> {
        let mut headers = Vec::new();
        headers.extend(protocols.map(|protocols| ("sec-websocket-protocol", protocols)));
        headers.extend(origin.map(|origin| ("origin", origin)));
        Client::connect(&self.aws, &headers).await
    }

    async fn enters(&self, secret: &str) -> Client {
        self.try_with(Some(&offer(secret)), None).await.expect("the client is let in")
    }

    /// The client is refused, the agent hears nothing of it, and no log has the secret.
    async fn refuses(&self, secret: &str) {
        assert_eq!(status(self.try_with(Some(&offer(secret)), None).await), 403, "{secret:.80}");
        let log = self.log();
        assert!(self.agent_requests().is_empty());
        // A few characters may stand in a log by chance.
        if secret.len() > 8 {
            let encoded = URL_SAFE_NO_PAD.encode(secret);
            assert!(!log.contains(secret) && !log.contains(&encoded), "the log has the secret");
        }
    }

    fn log(&self) -> String {
        let entries = self.aws.journal().entries();
        let lines = entries.iter().filter_map(|entry| match entry {
            Entry::FunctionLog { line } => Some(format!("{line}\n")),
            _ => None,
        });
        lines.collect()
    }

    /// Waits until the function has logged why it refused a client.
    async fn says(&self, reason: &str) {
        wait_for_entry(
            &self.aws,
            reason,
            |entry| matches!(entry, Entry::FunctionLog { line } if line.contains(reason)),
        )
        .await;
    }
}

/// The HTTP status of a refused handshake.
fn status(outcome: Result<Client, Error>) -> u16 {
    match outcome {
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(error) => panic!("no answer but {error}"),
        Ok(_) => panic!("the client was let in"),
    }
}

#[tokio::test]
async fn the_code_opens_and_its_subprotocol_is_not_repeated() {
    let bed = with_code().await;
    let mut client = bed.enters(CODE).await;
    assert_eq!(client.protocol.as_deref(), Some("agent-relay"));
    assert!(!text(&ask(&mut client, &prompt("/single")).await).is_empty());
    let log = bed.log();
    assert!(!log.contains(CODE) && !log.contains(&credential(CODE)), "{log}");
}

#[tokio::test]
async fn no_credential_a_wrong_one_and_an_empty_one_are_refused() {
    let bed = with_code().await;
    assert_eq!(status(bed.try_with(None, None).await), 403);
    assert_eq!(status(bed.try_with(Some("agent-relay"), None).await), 403);
    for wrong in ["correct horse battery stapl", "Correct horse battery staple", " ", ""] {
        bed.refuses(wrong).await;
    }
    bed.says("the access code is wrong").await;
    bed.says("the credential is empty").await;
}

#[tokio::test]
async fn a_credential_of_a_megabyte_is_refused_and_the_function_lives_on() {
    let bed = with_code().await;
    let huge = offer(&"x".repeat(1 << 20));
    // The gateway does not even read it to the end.
    assert!(bed.try_with(Some(&huge), None).await.is_err());
    bed.refuses(&"x".repeat(9_000)).await;
    bed.enters(CODE).await;
}

#[tokio::test]
async fn tricks_with_subprotocols_are_refused() {
    let bed = with_code().await;
    let right = credential(CODE);
    for trick in [
        format!("agent-relay, {right}, {right}"),
        format!("agent-relay, {right}, token.eA"),
        format!("agent-relay, token.eA, {right}"),
        format!("agent-relay, {}", right.to_uppercase()),
        format!("agent-relay, {}", right.replacen("token.", "token..", 1)),
        format!("agent-relay, x{right}"),
        format!("agent-relay, {}", &right["token.".len()..]),
        format!("agent-relay, token.{CODE}").replace(' ', ""),
        format!("{right}="),
    ] {
        assert_eq!(status(bed.try_with(Some(&trick), None).await), 403, "{trick}");
    }
    // A credential alone is enough for a program; there is nothing to echo then.
    let outcome = bed.try_with(Some(&right), None).await;
    assert!(matches!(outcome, Err(Error::Protocol(_))), "the client misses its subprotocol");
    wait_for_entry(&bed.aws, "a connection", |entry| matches!(entry, Entry::Connected { .. }))
        .await;
    // In a URL it does not count.
    let url = format!("{}?token={CODE}&access_token={right}", bed.aws.websocket_url());
    let url = url.replace(' ', "%20");
    assert_eq!(status(Client::connect_to(&url, &[]).await), 403);
}

#[tokio::test]
async fn only_the_pages_own_origin_and_programs_may_connect() {
    let bed = with_code().await;
    let port = bed.aws.address().port();
    let offer = offer(CODE);
    for own in [format!("http://127.0.0.1:{port}"), format!("http://localhost:{port}")] {
        assert!(bed.try_with(Some(&offer), Some(&own)).await.is_ok(), "{own}");
    }
    assert!(bed.try_with(Some(&offer), None).await.is_ok(), "a program sends no origin");
    for foreign in [
        "https://evil.example".to_owned(),
        "null".to_owned(),
        String::new(),
        format!("https://127.0.0.1:{port}"),
        format!("http://127.0.0.1:{port}.evil.example"),
        "http://127.0.0.1".to_owned(),
        "http://localhost:1".to_owned(),
    ] {
        let outcome = bed.try_with(Some(&offer), Some(&foreign)).await;
        assert_eq!(status(outcome), 403, "{foreign}");
    }
    bed.says("ALLOWED_ORIGINS does not name").await;
}

#[tokio::test]
async fn origins_can_be_named_also_where_everybody_may_come_in() {
    let bed = guarded(&[("ALLOWED_ORIGINS", "https://chat.example.com")]).await;
    assert!(bed.try_with(None, Some("https://chat.example.com")).await.is_ok());
    assert!(bed.try_with(None, None).await.is_ok());
    assert_eq!(status(bed.try_with(None, Some("https://evil.example")).await), 403);
}

#[tokio::test]
async fn a_route_that_lost_its_authorizer_lets_nobody_in() {
    let changes = [("ACCESS", "code"), ("ACCESS_CODE", CODE)];
    // The gateway of these options asks no authorizer.
    let bed = TestBed::with_environment(Options::default(), &changes).await;
    assert_eq!(status(bed.try_with(Some(&offer(CODE)), None).await), 403);
    bed.says("the route $connect has no authorizer").await;
}

/// Without the authorizer's word, a message of a user would fall into the sessions of nobody.
#[tokio::test]
async fn a_message_that_nobody_vouches_for_gets_no_answer() {
    let issuer = Issuer::start(&[&Key::elliptic("one")]).await;
    let aws = start(relay_options(Options::default())).await;
    let runtime = OwnRuntime::start(json!({
        "requestContext": {
            "routeKey": "$default", "eventType": "MESSAGE", "connectionId": "JKJZ8fTwSQhgCIhw=",
            "requestId": "JKJaXdwwPyCgFMaA=", "apiId": "abc123", "stage": "prod",
            "connectedAt": 1, "requestTimeEpoch": 2, "identity": {}
        },
        "body": prompt("hello").to_string(), "isBase64Encoded": false
    }))
    .await;
    let changes = [
        ("AWS_LAMBDA_RUNTIME_API", &*runtime.address),
        ("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", &*format!("http://{}", runtime.address)),
        ("ACCESS", "oidc"),
        ("OIDC_ISSUER", &*issuer.url),
        ("OIDC_AUDIENCE", AUDIENCE),
    ];
    let mut function = tokio::process::Command::new(function_program())
        .envs(aws.function_environment())
        .envs(changes)
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let (response, frame) = soon("response and frame", runtime.heard()).await;
    assert_eq!(response["statusCode"], 403, "{response}");
    assert_eq!((&frame["type"], &frame["code"]), (&json!("RUN_ERROR"), &json!("internal")));
    let asked = |entry: &Entry| matches!(entry, Entry::AgentInvoked { .. });
    assert!(!aws.journal().entries().iter().any(asked), "the agent was asked");
    function.kill().await.unwrap();
}

/// A Runtime API with one event, and the callback URL beside it.
struct OwnRuntime {
    address: String,
    response: tokio::sync::oneshot::Receiver<Value>,
    frame: tokio::sync::oneshot::Receiver<Value>,
    _server: tokio::task::JoinHandle<()>,
}

impl OwnRuntime {
    async fn start(event: Value) -> Self {
        use axum::routing::{get, post};
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let event = Arc::new(Mutex::new(Some(event)));
        let next = move || {
            let event = event.lock().unwrap().take();
            async move {
                let Some(event) = event else { return std::future::pending().await };
                let headers = [
                    ("lambda-runtime-aws-request-id", "request-1".to_owned()),
                    ("lambda-runtime-deadline-ms", ((now() + 900) * 1000).to_string()),
                    ("lambda-runtime-invoked-function-arn", "arn".to_owned()),
                ];
                (headers, axum::Json(event))
            }
        };
        let (respond, response) = first_request_recorder();
        let (frame_comes, frame) = first_request_recorder();
        let router = axum::Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(respond))
            .route("/@connections/{id}", post(frame_comes));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, response, frame, _server: server }
    }

    async fn heard(self) -> (Value, Value) {
        (self.response.await.unwrap(), self.frame.await.unwrap())
    }
}

/// A handler, and what is posted to it first.
fn first_request_recorder() -> (
    impl Fn(String) -> std::future::Ready<&'static str> + Clone + Send + Sync + 'static,
    tokio::sync::oneshot::Receiver<Value>,
) {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let sender = Arc::new(Mutex::new(Some(sender)));
    let handler = move |body: String| {
        if let Some(sender) = sender.lock().unwrap().take() {
            let _ = sender.send(serde_json::from_str(&body).unwrap());
        }
        std::future::ready("{}")
    };
    (handler, receiver)
}

#[tokio::test]
async fn a_good_token_of_any_usual_kind_opens() {
    let keys = [
        Key::elliptic("ec"),
        Key::edwards("ed"),
        Key::rsa("rsa", Algorithm::RS256),
        Key::rsa("pss", Algorithm::PS384),
    ];
    let issuer = Issuer::start(&keys.iter().collect::<Vec<_>>()).await;
    let bed = with_issuer(&issuer).await;
    for key in &keys {
        bed.enters(&key.sign(&issuer.claims("alice"))).await;
    }
    assert_eq!(issuer.key_requests(), 1, "the keys are kept");

    let mut several = issuer.claims("alice");
    several["aud"] = json!(["somebody-else", AUDIENCE]);
    bed.enters(&keys[0].sign(&several)).await;
    // Cognito's access tokens have no `aud`.
    let mut cognito = issuer.claims("alice");
    cognito.as_object_mut().unwrap().remove("aud");
    cognito["client_id"] = AUDIENCE.into();
    bed.enters(&keys[0].sign(&cognito)).await;
    // A clock may be a little off.
    let mut just_expired = issuer.claims("alice");
    just_expired["exp"] = json!(now() - 20);
    bed.enters(&keys[0].sign(&just_expired)).await;
}

#[tokio::test]
async fn tokens_that_say_the_wrong_things_are_refused() {
    let key = Key::elliptic("one");
    let issuer = Issuer::start(&[&key]).await;
    let bed = with_issuer(&issuer).await;
    let with = |name: &str, value: Value| {
        let mut claims = issuer.claims("alice");
        match value {
            Value::Null => _ = claims.as_object_mut().unwrap().remove(name),
            value => claims[name] = value,
        }
        key.sign(&claims)
    };
    for (token, reason) in [
        (with("exp", json!(now() - 3600)), "has expired"),
        (with("exp", Value::Null), "has no exp"),
        (with("exp", json!("tomorrow")), "exp"),
        (with("nbf", json!(now() + 3600)), "not valid yet"),
        (with("iss", json!("https://evil.example")), "another issuer"),
        (with("iss", Value::Null), "has no iss"),
        (with("aud", json!("somebody-else")), "another audience"),
        (with("aud", json!([])), "another audience"),
        (with("aud", Value::Null), "another audience"),
        (with("sub", Value::Null), "has no sub"),
        (with("sub", json!("")), "subject"),
        (with("sub", json!("x".repeat(300))), "subject"),
    ] {
        bed.refuses(&token).await;
        bed.says(reason).await;
    }
    // An audience elsewhere does not make up for a wrong one.
    let mut claims = issuer.claims("alice");
    claims["aud"] = json!("somebody-else");
    claims["client_id"] = json!(AUDIENCE);
    bed.refuses(&key.sign(&claims)).await;
}

#[tokio::test]
async fn tokens_that_nobody_signed_are_refused() {
    let (key, other) = (Key::elliptic("one"), Key::elliptic("one"));
    let rsa = Key::rsa("rsa", Algorithm::RS256);
    let issuer = Issuer::start(&[&key, &rsa]).await;
    let bed = with_issuer(&issuer).await;
    let claims = issuer.claims("alice");
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());

    for algorithm in ["none", "None", "NONE", ""] {
        let header = part(&json!({"alg": algorithm, "typ": "JWT", "kid": "one"}));
        bed.refuses(&format!("{header}.{}.", part(&claims))).await;
    }
    // HMAC with what is public as the secret.
    for secret in [rsa.public()["n"].as_str().unwrap().to_owned(), rsa.public().to_string()] {
        for id in ["rsa", "one"] {
            let mut header = Header::new(Algorithm::HS256);
            header.kid = Some(id.to_owned());
            let secret = EncodingKey::from_secret(secret.as_bytes());
            bed.refuses(&encode(&header, &claims, &secret).unwrap()).await;
        }
    }
    bed.says("tokens signed with HS256 are not taken").await;
    // Another's key under the right id, and one that the token brings along.
    bed.refuses(&other.sign(&claims)).await;
    bed.says("signature is wrong").await;
    let mut header = Header::new(Algorithm::ES256);
    header.jwk = serde_json::from_value(other.public()).unwrap();
    header.jku = Some("https://evil.example/keys".to_owned());
    bed.refuses(&other.sign_with(&header, &claims)).await;
    // An algorithm that the key is not for.
    let mut header = Header::new(Algorithm::RS512);
    header.kid = Some("rsa".to_owned());
    bed.refuses(&rsa.sign_with(&header, &claims)).await;
    // Extensions that would have to be understood.
    let mut header = Header::new(Algorithm::ES256);
    (header.kid, header.crit) = (Some("one".to_owned()), Some(vec!["b64".to_owned()]));
    bed.refuses(&key.sign_with(&header, &claims)).await;

    let good = key.sign(&claims);
    let (head, signature) = good.rsplit_once('.').unwrap();
    for broken in [
        format!("{head}."),
        head.to_owned(),
        format!("{good}x"),
        format!("{}.{signature}", head.replacen('.', ".e30", 1)),
        "a.b.c".to_owned(),
        "..".to_owned(),
        "not a token".to_owned(),
        "\u{fffd}\0".to_owned(),
    ] {
        bed.refuses(&broken).await;
    }
    bed.enters(&good).await;
}

#[tokio::test]
async fn keys_are_exchanged_without_a_restart_and_unknown_ids_are_rationed() {
    let (old, new) = (Key::elliptic("old"), Key::elliptic("new"));
    let issuer = Issuer::start(&[&old]).await;
    let bed = with_issuer(&issuer).await;
    bed.enters(&old.sign(&issuer.claims("alice"))).await;
    issuer.publish(vec![new.public()]);
    bed.enters(&new.sign(&issuer.claims("alice"))).await;
    assert_eq!(issuer.key_requests(), 2);
    // What is not published any more is worth nothing.
    bed.refuses(&old.sign(&issuer.claims("alice"))).await;
    bed.says("a key that the issuer does not publish").await;

    let stranger = Key::elliptic("made-up");
    for _ in 0..30 {
        bed.refuses(&stranger.sign(&issuer.claims("mallory"))).await;
    }
    assert!(issuer.key_requests() <= 7, "made-up key ids made {} requests", issuer.key_requests());
    // Who has a known key does not notice.
    bed.enters(&new.sign(&issuer.claims("alice"))).await;
}

#[tokio::test]
async fn two_keys_of_one_id_lock_nobody_out() {
    let (first, second) = (Key::elliptic("one"), Key::elliptic("one"));
    let (third, other_kind) = (Key::elliptic("three"), Key::rsa("one", Algorithm::RS256));
    let issuer = Issuer::start(&[&first, &second, &third, &other_kind]).await;
    let bed = with_issuer(&issuer).await;
    for key in [&first, &second, &third, &other_kind] {
        bed.enters(&key.sign(&issuer.claims("alice"))).await;
    }
    // Without an id, any that fits may be meant.
    for key in [&first, &second, &third] {
        bed.enters(&key.sign_with(&Header::new(Algorithm::ES256), &issuer.claims("alice"))).await;
    }
    bed.refuses(&Key::elliptic("one").sign(&issuer.claims("mallory"))).await;
    bed.says("signature is wrong").await;
    // The log says what is wrong with the token, and not that another key has not signed it.
    let mut expired = issuer.claims("alice");
    expired["exp"] = json!(now() - 3600);
    bed.refuses(&first.sign(&expired)).await;
    bed.says("has expired").await;
}

#[tokio::test]
async fn tokens_of_other_types_are_refused() {
    let key = Key::elliptic("one");
    let issuer = Issuer::start(&[&key]).await;
    let bed = with_issuer(&issuer).await;
    let typed = |typ: Option<&str>| {
        let mut header = Header::new(Algorithm::ES256);
        (header.kid, header.typ) = (Some("one".to_owned()), typ.map(str::to_owned));
        key.sign_with(&header, &issuer.claims("alice"))
    };
    for typ in [None, Some("JWT"), Some("jwt"), Some("at+jwt"), Some("application/at+JWT")] {
        bed.enters(&typed(typ)).await;
    }
    for typ in ["logout+jwt", "application/logout+jwt", "secevent+jwt", "dpop+jwt", "JWE", ""] {
        bed.refuses(&typed(Some(typ))).await;
        bed.says("of a type that says nothing about who asks").await;
    }
}

#[tokio::test]
async fn only_tokens_of_the_configured_use_are_taken() {
    let key = Key::elliptic("one");
    let issuer = Issuer::start(&[&key]).await;
    let token = |typ: &str, name: &str, value: &str| {
        let mut header = Header::new(Algorithm::ES256);
        (header.kid, header.typ) = (Some("one".to_owned()), Some(typ.to_owned()));
        let mut claims = issuer.claims("alice");
        claims[name] = value.into();
        key.sign_with(&header, &claims)
    };
    let access = [token("JWT", "token_use", "access"), token("at+jwt", "scope", "openid")];
    let id = [
        token("JWT", "token_use", "id"),
        token("JWT", "nonce", "n-0S6_WzA2Mj"),
        token("JWT", "at_hash", "77QmUPtjPfzWtF2AnpK9RQ"),
        token("JWT", "c_hash", "LDktKdoQak3Pk0cnXxCltA"),
    ];
    let unmarked = key.sign(&issuer.claims("alice"));
    for (token_use, taken, refused) in [("access", &access[..], &id[..]), ("id", &id, &access)] {
        let variables = [
            ("ACCESS", "oidc"),
            ("OIDC_ISSUER", &*issuer.url),
            ("OIDC_AUDIENCE", AUDIENCE),
            ("OIDC_TOKEN_USE", token_use),
        ];
        let bed = guarded(&variables).await;
        bed.enters(&unmarked).await;
        for token in taken {
            bed.enters(token).await;
        }
        for token in refused {
            bed.refuses(token).await;
            bed.says("but OIDC_TOKEN_USE asks for").await;
        }
    }
    let bed = with_issuer(&issuer).await;
    for token in access.iter().chain(&id) {
        bed.enters(token).await;
    }
}

#[tokio::test]
async fn a_flood_of_made_up_key_ids_is_logged_as_what_it_is() {
    let key = Key::elliptic("one");
    let issuer = Issuer::start(&[&key]).await;
    let bed = with_issuer(&issuer).await;
    bed.enters(&key.sign(&issuer.claims("alice"))).await;
    for number in 0..12 {
        let stranger = Key::elliptic(&format!("made-up-{number}"));
        bed.refuses(&stranger.sign(&issuer.claims("mallory"))).await;
    }
    bed.says("many tokens did, so the issuer is not asked again").await;
    // Every fetch succeeded, so none is said to have failed.
    assert!(!bed.log().contains("could not be fetched"), "{}", bed.log());
}

#[tokio::test]
async fn the_agent_gets_who_asks_from_the_token_and_never_from_the_client() {
    let key = Key::elliptic("one");
    let issuer = Issuer::start(&[&key]).await;
    let bed = with_issuer(&issuer).await;
    let with_email = |verified: Value| {
        let mut claims = issuer.claims("alice");
        claims["email"] = "alice@example.com".into();
        claims["email_verified"] = verified;
        key.sign(&claims)
    };
    let attributes = |bed: &TestBed| {
        let request = bed.agent_requests().pop().expect("the agent was asked");
        request["sessionState"]["sessionAttributes"].clone()
    };
    for verified in [json!(true), json!("true")] {
        let mut client = bed.enters(&with_email(verified)).await;
        ask(
            &mut client,
            &json!({"prompt": "/tokens 1 200", "sessionAttributes": {"plan": "gold"}}),
        )
        .await;
        let expected = json!({"principal": "alice", "email": "alice@example.com", "plan": "gold"});
        assert_eq!(attributes(&bed), expected);
    }
    for verified in [json!(false), json!(null), json!("yes"), json!(1)] {
        let mut client = bed.enters(&with_email(verified)).await;
        ask(&mut client, &prompt("/tokens 1 200")).await;
        assert_eq!(attributes(&bed), json!({"principal": "alice"}));
    }

    let mut client = bed.enters(&with_email(json!(true))).await;
    let asked = bed.agent_requests().len();
    let forwarded = |props: Value| {
        json!({"threadId": "thread-1", "runId": "run-1", "forwardedProps": props,
               "messages": [{"id": "1", "role": "user", "content": "hello"}]})
    };
    for message in [
        json!({"prompt": "hello", "email": "bob@example.com"}),
        json!({"prompt": "hello", "email": "alice@example.com"}),
        json!({"prompt": "hello", "sessionAttributes": {"email": "bob@example.com"}}),
        json!({"prompt": "hello", "sessionAttributes": {"principal": "bob"}}),
        json!({"prompt": "hello", "promptSessionAttributes": {"principal": "bob"}}),
        forwarded(json!({"sessionAttributes": {"principal": "bob"}})),
        forwarded(json!({"promptSessionAttributes": {"email": "bob@example.com"}})),
    ] {
        let frames = ask(&mut client, &message).await;
        assert_eq!(frames[0]["code"], "invalid_request", "{message}");
        assert!(frames[0]["message"].as_str().unwrap().contains("can't be set by a client"));
    }
    assert_eq!(bed.agent_requests().len(), asked, "the agent was asked");
}

#[tokio::test]
async fn without_names_a_client_says_who_it_is_and_can_not_spell_anothers_session() {
    let bed = with_code().await;
    let mut client = bed.enters(CODE).await;
    ask(&mut client, &json!({"prompt": "/tokens 1 200", "email": "ada@example.com"})).await;
    let request = bed.agent_requests().pop().unwrap();
    assert_eq!(request["sessionState"]["sessionAttributes"], json!({"email": "ada@example.com"}));
    let asked = bed.agent_requests().len();
    let session = "0123456789abcdef:shared";
    let frames = ask(&mut client, &json!({"prompt": "hello", "sessionId": session})).await;
    assert_eq!(frames[0]["code"], "invalid_request");
    assert_eq!(bed.agent_requests().len(), asked, "the agent was asked");
}

#[tokio::test]
async fn keys_that_mean_something_else_are_passed_over() {
    let (key, encryption) = (Key::elliptic("one"), Key::elliptic("two"));
    let mut for_encryption = encryption.public();
    for_encryption["use"] = "enc".into();
    let secret = json!({"kty": "oct", "kid": "three", "k": "c2VjcmV0", "alg": "HS256"});
    let unknown = json!({"kty": "AKP", "kid": "four", "alg": "ML-DSA-65", "pub": "AAAA"});
    let issuer = Issuer::start(&[]).await;
    issuer.publish(vec![secret, json!(7), unknown, for_encryption, key.public()]);
    let bed = with_issuer(&issuer).await;
    bed.enters(&key.sign(&issuer.claims("alice"))).await;
    bed.refuses(&encryption.sign(&issuer.claims("alice"))).await;
    // Without an id, the only key that fits is meant.
    let header = Header::new(Algorithm::ES256);
    bed.enters(&key.sign_with(&header, &issuer.claims("alice"))).await;
}

#[tokio::test]
async fn an_issuer_that_is_down_slow_huge_or_another_lets_nobody_in_and_may_recover() {
    let key = Key::elliptic("one");
    let issuer = Issuer::start(&[&key]).await;
    let bed = with_issuer(&issuer).await;
    let token = key.sign(&issuer.claims("alice"));
    for (behaviour, reason) in [
        (IssuerBehaviour::Unavailable, "answered 503"),
        (IssuerBehaviour::HugeResponse, "could not be read"),
        (IssuerBehaviour::Silent, "took too long"),
    ] {
        issuer.set_behaviour(behaviour);
        bed.refuses(&token).await;
        bed.says(reason).await;
    }
    issuer.set_behaviour(IssuerBehaviour::Normal);
    issuer.set_name("https://evil.example");
    bed.refuses(&token).await;
    bed.says("set OIDC_ISSUER to that").await;
    issuer.set_name(&issuer.url);
    bed.enters(&token).await;
    // Its keys are known now, so it may rest.
    issuer.set_behaviour(IssuerBehaviour::Unavailable);
    bed.enters(&token).await;
}

#[tokio::test]
async fn each_principal_has_conversations_of_its_own() {
    let key = Key::elliptic("one");
    let issuer = Issuer::start(&[&key]).await;
    let bed = with_issuer(&issuer).await;
    let mut alice = bed.enters(&key.sign(&issuer.claims("alice"))).await;
    let mut bob = bed.enters(&key.sign(&issuer.claims("bob"))).await;
    let hello = json!({"prompt": "hello", "sessionId": "conversation-1"});
    let turn = |frames: &[Value]| {
        assert_eq!(frames[0]["threadId"], "conversation-1");
        (1..9).find(|n| text(frames).contains(&format!("turn {n} of this conversation"))).unwrap()
    };
    assert_eq!(turn(&ask(&mut alice, &hello).await), 1);
    assert_eq!(turn(&ask(&mut alice, &hello).await), 2);
    assert_eq!(turn(&ask(&mut bob, &hello).await), 1, "bob is in a conversation of his own");
    assert_eq!(turn(&ask(&mut alice, &hello).await), 3);

    let entries = bed.aws.journal().entries();
    let session = |entry: &Entry| match entry {
        Entry::AgentInvoked { session_id, request } => {
            Some((session_id.clone(), request["memoryId"].as_str().map(str::to_owned)))
        }
        _ => None,
    };
    let sessions: Vec<_> = entries.iter().filter_map(session).collect();
    assert_eq!(sessions[0], sessions[1]);
    assert_ne!(sessions[0].0, sessions[2].0);
    assert_ne!(sessions[0].1, sessions[2].1, "they share a memory");
    // Not even by naming the session as Bedrock knows it.
    let guess = json!({"prompt": "hello", "sessionId": sessions[0].0});
    let frames = ask(&mut bob, &guess).await;
    assert!(!text(&frames).contains("turn 4"), "{}", text(&frames));
}

#[tokio::test]
async fn a_tool_call_of_another_session_can_not_be_answered() {
    let key = Key::elliptic("one");
    let issuer = Issuer::start(&[&key]).await;
    let bed = with_issuer(&issuer).await;
    let mut alice = bed.enters(&key.sign(&issuer.claims("alice"))).await;
    let mut bob = bed.enters(&key.sign(&issuer.claims("bob"))).await;
    let tool = json!({"prompt": "/tool", "sessionId": "conversation-1"});
    let frames = ask(&mut alice, &tool).await;
    let call = frames.iter().find_map(|frame| frame["toolCallId"].as_str()).expect("a tool call");
    let answer = json!({
        "toolResults": [{"toolCallId": call, "content": "{}"}], "sessionId": "conversation-1"
    });
    let refused = ask(&mut bob, &answer).await;
    assert_eq!(refused[0]["code"], "invalid_request", "{refused:?}");
    let taken = ask(&mut alice, &answer).await;
    assert_eq!(taken.last().unwrap()["type"], "RUN_FINISHED", "{taken:?}");
}
