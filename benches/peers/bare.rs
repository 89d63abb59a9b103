//! The floor: the same work without an SDK. HTTP is hyper's, each connection is opened once, nothing
//! is signed, nothing is tried again, no failure is told to anybody, traces are dropped, and a chunk
//! that ends inside a character ends the function. Text that comes together, or while a post is in
//! flight, is merged as in this function: without that it would make other posts, and be no floor.

use std::convert::Infallible;
use std::env;
use std::error::Error;
use std::pin::pin;

use aws_smithy_eventstream::frame::{DecodedFrame, MessageFrameDecoder};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use futures::future::{Fuse, FusedFuture as _, FutureExt as _};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Frame as BodyFrame, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::task::yield_now;

/// As this function has it.
const AT_A_TIME: usize = 512;

type Failure = Box<dyn Error>;
type Nothing = Result<Infallible, Failure>;

/// An event of the routes that a client has.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    #[serde(borrow)]
    request_context: Context<'a>,
    #[serde(default)]
    body: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Context<'a> {
    route_key: &'a str,
    connection_id: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    prompt: String,
    session_id: String,
}

/// The payload of a chunk.
#[derive(Deserialize)]
struct Chunk<'a> {
    bytes: &'a str,
}

#[derive(Serialize)]
struct Frame<'a> {
    r#type: &'static str,
    delta: &'a str,
}

/// An agent's answer under way.
struct Answer {
    body: Incoming,
    decoder: MessageFrameDecoder,
    undecoded: BytesMut,
    /// What waits for a post.
    text: Vec<u8>,
    ended: bool,
}

/// Another server, over one connection that stays open.
struct Server {
    /// A lock without contention: there is one request at a time.
    requests: Mutex<SendRequest<Full<Bytes>>>,
    host: String,
    base: String,
}

struct Function {
    lambda: Server,
    agent: Server,
    gateway: Server,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Nothing {
    let runtime_api = format!("http://{}/2018-06-01/runtime", env::var("AWS_LAMBDA_RUNTIME_API")?);
    let function = Function {
        lambda: Server::at(&runtime_api).await?,
        agent: Server::at(&env::var("AWS_ENDPOINT_URL_BEDROCK_AGENT_RUNTIME")?).await?,
        gateway: Server::at(&env::var("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI")?).await?,
    };
    let agent = format!(
        "/agents/{}/agentAliases/{}/sessions/",
        env::var("AGENT_ID")?,
        env::var("AGENT_ALIAS_ID")?
    );
    loop {
        function.answer_next(&agent).await?;
    }
}

impl Function {
    async fn answer_next(&self, agent: &str) -> Result<(), Failure> {
        let next = self.lambda.send(Method::GET, "/invocation/next", Bytes::new()).await?;
        let id = next.headers()["lambda-runtime-aws-request-id"].to_str()?.to_owned();
        let event = next.into_body().collect().await?.to_bytes();
        let event: Event<'_> = serde_json::from_slice(&event)?;
        let path = format!("/invocation/{id}/response");
        let ok = Bytes::from_static(br#"{"statusCode":200}"#);
        self.lambda.post(&path, ok).await?;
        let (Some(body), "$default") = (event.body, event.request_context.route_key) else {
            return Ok(());
        };
        let message: Message = serde_json::from_str(&body)?;
        let path = format!("{agent}{}/text", message.session_id);
        let request = json!({
            "inputText": message.prompt,
            "streamingConfigurations": { "streamFinalResponse": true },
        });
        let answer = self.agent.send(Method::POST, &path, request.to_string().into()).await?;
        let connection = format!("/@connections/{}", event.request_context.connection_id);
        relay(answer.into_body(), &self.gateway, &connection).await
    }
}

async fn relay(answer: Incoming, gateway: &Server, connection: &str) -> Result<(), Failure> {
    let mut answer = Answer::from(answer);
    let mut post = pin!(Fuse::terminated());
    loop {
        if post.is_terminated() {
            if !answer.text.is_empty() {
                let delta = std::str::from_utf8(&answer.text)?;
                let frame = serde_json::to_vec(&Frame { r#type: "TEXT_MESSAGE_CHUNK", delta })?;
                answer.text.clear();
                post.set(gateway.post(connection, frame.into()).fuse());
            } else if answer.ended {
                break;
            }
        }
        tokio::select! {
            biased;
            posted = &mut post => posted?,
            piece = answer.body.frame(), if !answer.ended => {
                answer.take(piece)?;
                for _ in 0..AT_A_TIME {
                    if answer.ended {
                        break;
                    }
                    let mut piece = answer.body.frame().now_or_never();
                    if piece.is_none() {
                        yield_now().await;
                        piece = answer.body.frame().now_or_never();
                    }
                    let Some(piece) = piece else { break };
                    answer.take(piece)?;
                }
            }
        }
    }
    gateway.post(connection, Bytes::from_static(br#"{"type":"RUN_FINISHED"}"#)).await
}

impl From<Incoming> for Answer {
    fn from(body: Incoming) -> Self {
        let (decoder, undecoded) = (MessageFrameDecoder::new(), BytesMut::new());
        Self { body, decoder, undecoded, text: Vec::new(), ended: false }
    }
}

impl Answer {
    fn take(
        &mut self,
        piece: Option<Result<BodyFrame<Bytes>, hyper::Error>>,
    ) -> Result<(), Failure> {
        let Some(piece) = piece else {
            self.ended = true;
            return Ok(());
        };
        if let Ok(bytes) = piece?.into_data() {
            self.undecoded.extend_from_slice(&bytes);
            while let DecodedFrame::Complete(message) =
                self.decoder.decode_frame(&mut self.undecoded)?
            {
                if let Ok(chunk) = serde_json::from_slice::<Chunk<'_>>(message.payload()) {
                    STANDARD.decode_vec(chunk.bytes, &mut self.text)?;
                }
            }
        }
        Ok(())
    }
}

impl Server {
    /// Connects to the server of a URL without TLS.
    async fn at(url: &str) -> Result<Self, Failure> {
        let rest = url.strip_prefix("http://").ok_or("no http URL")?;
        let (host, base) = rest.split_once('/').ok_or("no path")?;
        let stream = TcpStream::connect(host).await?;
        stream.set_nodelay(true)?;
        let (requests, connection) = handshake(TokioIo::new(stream)).await?;
        // It ends with the process.
        tokio::spawn(connection);
        Ok(Self { requests: requests.into(), host: host.to_owned(), base: format!("/{base}") })
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Response<Incoming>, Failure> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header("host", &self.host)
            .header("content-type", "application/json")
            .body(Full::new(body))?;
        let answer = {
            let mut requests = self.requests.lock().await;
            requests.ready().await?;
            requests.send_request(request)
        };
        Ok(answer.await?)
    }

    /// Posts, and reads the answer to its end, so that the connection is free for the next.
    async fn post(&self, path: &str, body: Bytes) -> Result<(), Failure> {
        let answer = self.send(Method::POST, path, body).await?;
        if !answer.status().is_success() {
            return Err(answer.status().to_string().into());
        }
        answer.into_body().collect().await?;
        Ok(())
    }
}
