//! What most projects do, with the crates that this function is made of: each chunk is posted, and
//! the post awaited, before the next chunk is read. Traces are not passed on: the SDK's types can't
//! be serialised.

use std::env;

use aws_config::BehaviorVersion;
use aws_sdk_apigatewaymanagement::Client as Connections;
use aws_sdk_apigatewaymanagement::primitives::Blob;
use aws_sdk_bedrockagentruntime::Client as Agents;
use aws_sdk_bedrockagentruntime::types::{ResponseStream, StreamingConfigurations};
use lambda_runtime::{Error, LambdaEvent, Runtime, service_fn};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    prompt: String,
    session_id: String,
}

#[derive(Clone)]
struct Function {
    agents: Agents,
    agent_id: String,
    agent_alias_id: String,
    connections: Connections,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let sdk = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let function = Function {
        agents: Agents::new(&sdk),
        agent_id: env::var("AGENT_ID")?,
        agent_alias_id: env::var("AGENT_ALIAS_ID")?,
        connections: Connections::new(&sdk),
    };
    let handler = service_fn(move |event| {
        let function = function.clone();
        async move { function.answer(event).await }
    });
    Runtime::new(handler).run_concurrent().await
}

impl Function {
    async fn answer(&self, event: LambdaEvent<Value>) -> Result<Value, Error> {
        let context = &event.payload["requestContext"];
        if context["routeKey"] == "$default" {
            let connection = context["connectionId"].as_str().ok_or("no connection")?;
            let body = event.payload["body"].as_str().ok_or("no body")?;
            self.relay(connection, serde_json::from_str(body)?).await?;
        }
        Ok(json!({ "statusCode": 200 }))
    }

    async fn relay(&self, connection: &str, message: Message) -> Result<(), Error> {
        let streaming = StreamingConfigurations::builder().stream_final_response(true).build();
        let answer = self.agents.invoke_agent();
        let answer = answer.agent_id(&self.agent_id).agent_alias_id(&self.agent_alias_id);
        let answer = answer.session_id(message.session_id).input_text(message.prompt);
        let mut events = answer.streaming_configurations(streaming).send().await?.completion;
        while let Some(event) = events.recv().await? {
            if let ResponseStream::Chunk(chunk) = event {
                let bytes = chunk.bytes.map(Blob::into_inner).unwrap_or_default();
                let text = String::from_utf8_lossy(&bytes);
                self.post(connection, &json!({ "type": "TEXT_MESSAGE_CHUNK", "delta": text }))
                    .await?;
            }
        }
        self.post(connection, &json!({ "type": "RUN_FINISHED" })).await
    }

    async fn post(&self, connection: &str, frame: &Value) -> Result<(), Error> {
        let data = Blob::new(serde_json::to_vec(frame)?);
        self.connections.post_to_connection().connection_id(connection).data(data).send().await?;
        Ok(())
    }
}
