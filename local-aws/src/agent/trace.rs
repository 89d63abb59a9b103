//! Traces in the shape that Bedrock sends them (names as in the SDK's deserializers).

use std::time::{Duration, SystemTime};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use serde_json::{Value, json};

use super::control::{Call, Operation, named};
use super::scenario::Turn;
use super::team::Member;
use super::wire::alias_arn;

/// Makes the traces of one turn. All times in them count from the beginning of the turn.
#[derive(Debug)]
pub(super) struct Traces {
    now: SystemTime,
    /// What the ids of all traces of the turn begin with.
    id: String,
}

/// One call of a model.
#[derive(Clone, Copy, Debug)]
pub(super) struct ModelCall<'a> {
    /// Tells the traces of a turn's calls apart.
    pub(super) id: usize,
    /// What the model is told.
    pub(super) prompt: &'a str,
    /// What it says.
    pub(super) response: &'a str,
    /// When it begins, and how long it takes.
    pub(super) start: Duration,
    pub(super) took: Duration,
    /// Tokens in and out.
    pub(super) usage: (usize, usize),
}

impl<'a> ModelCall<'a> {
    /// The first call of a turn, which takes so many milliseconds.
    pub(super) fn first(prompt: &'a str, response: &'a str, milliseconds: u64) -> Self {
        Self {
            id: 0,
            prompt,
            response,
            start: Duration::ZERO,
            took: Duration::from_millis(milliseconds),
            // A token is about four characters; the instructions come on top.
            usage: (prompt.len().div_ceil(4) + 380, response.len().div_ceil(4)),
        }
    }
}

impl Traces {
    pub(super) fn new(turn: &Turn<'_>) -> Self {
        let seconds = turn.now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let id = format!("{:08x}-0000-4000-8000-{:012x}", seconds & 0xffff_ffff, turn.number);
        Self { now: turn.now, id }
    }

    /// A `preProcessingTrace` of what the model is told.
    pub(super) fn pre_processing_input(&self, call: &ModelCall<'_>) -> Value {
        let input = self.model_input(call, "PRE_PROCESSING");
        json!({ "preProcessingTrace": { "modelInvocationInput": input } })
    }

    /// A `preProcessingTrace` of the verdict: whether the prompt is valid, and why.
    pub(super) fn pre_processing_output(&self, call: &ModelCall<'_>) -> Value {
        json!({ "preProcessingTrace": { "modelInvocationOutput": {
            "metadata": self.metadata(call.start, call.took, Some(call.usage)),
            "parsedResponse": { "isValid": true, "rationale": call.response },
            "rawResponse": { "content": call.response },
            "traceId": format!("{}-pre-{}", self.id, call.id),
        } } })
    }

    /// An `orchestrationTrace` of what the model is told.
    pub(super) fn orchestration_input(&self, call: &ModelCall<'_>) -> Value {
        let input = self.model_input(call, "ORCHESTRATION");
        json!({ "orchestrationTrace": { "modelInvocationInput": input } })
    }

    /// An `orchestrationTrace` of what the model says.
    pub(super) fn orchestration_output(&self, call: &ModelCall<'_>) -> Value {
        json!({ "orchestrationTrace": { "modelInvocationOutput": {
            "metadata": self.metadata(call.start, call.took, Some(call.usage)),
            "rawResponse": { "content": call.response },
            "traceId": format!("{}-{}", self.id, call.id),
        } } })
    }

    /// An `orchestrationTrace` with the agent's reasoning.
    pub(super) fn rationale(&self, text: &str) -> Value {
        let id = format!("{}-0", self.id);
        json!({ "orchestrationTrace": { "rationale": { "text": text, "traceId": id } } })
    }

    /// An `orchestrationTrace` of a question to a knowledge base.
    pub(super) fn lookup(&self, knowledge_base_id: &str, text: &str) -> Value {
        json!({ "orchestrationTrace": { "invocationInput": {
            "invocationType": "KNOWLEDGE_BASE",
            "knowledgeBaseLookupInput": { "knowledgeBaseId": knowledge_base_id, "text": text },
            "traceId": format!("{}-0", self.id),
        } } })
    }

    /// An `orchestrationTrace` of what a knowledge base found.
    pub(super) fn found(&self, references: &[Value], start: Duration, took: Duration) -> Value {
        json!({ "orchestrationTrace": { "observation": {
            "knowledgeBaseLookupOutput": {
                "metadata": self.metadata(start, took, None),
                "retrievedReferences": references,
            },
            "traceId": format!("{}-0", self.id),
            "type": "KNOWLEDGE_BASE",
        } } })
    }

    /// An `orchestrationTrace` of a call of an action group's function.
    pub(super) fn action(&self, group: &str, function: &str, parameters: &[(&str, &str)]) -> Value {
        let parameters = parameters
            .iter()
            .map(|(name, value)| json!({ "name": name, "type": "string", "value": value }));
        json!({ "orchestrationTrace": { "invocationInput": {
            "actionGroupInvocationInput": {
                "actionGroupName": group,
                "executionType": "LAMBDA",
                "function": function,
                "parameters": parameters.collect::<Vec<_>>(),
            },
            "invocationType": "ACTION_GROUP",
            "traceId": format!("{}-1", self.id),
        } } })
    }

    /// An `orchestrationTrace` of what an action group returned.
    pub(super) fn acted(&self, text: &str, start: Duration, took: Duration) -> Value {
        json!({ "orchestrationTrace": { "observation": {
            "actionGroupInvocationOutput": {
                "metadata": self.metadata(start, took, None),
                "text": text,
            },
            "traceId": format!("{}-1", self.id),
            "type": "ACTION_GROUP",
        } } })
    }

    /// An `orchestrationTrace` of a call that the caller is to make.
    pub(super) fn returned(&self, invocation_id: &str, call: &Call) -> Value {
        let mut input = json!({
            "actionGroupName": call.action_group,
            "executionType": "RETURN_CONTROL",
            "invocationId": invocation_id,
            "parameters": named(call.parameters),
        });
        match call.operation {
            Operation::Function { name } => input["function"] = json!(name),
            Operation::Api { method, path, body } => {
                input["verb"] = json!(method.to_ascii_lowercase());
                input["apiPath"] = json!(path);
                if !body.is_empty() {
                    input["requestBody"] =
                        json!({ "content": { "application/json": named(body) } });
                }
            }
        }
        json!({ "orchestrationTrace": { "invocationInput": {
            "actionGroupInvocationInput": input,
            "invocationType": "ACTION_GROUP",
            "traceId": format!("{}-1", self.id),
        } } })
    }

    /// An `orchestrationTrace` of code that the agent runs.
    pub(super) fn code(&self, code: &str) -> Value {
        json!({ "orchestrationTrace": { "invocationInput": {
            "codeInterpreterInvocationInput": { "code": code, "files": [] },
            "invocationType": "ACTION_GROUP_CODE_INTERPRETER",
            "traceId": format!("{}-1", self.id),
        } } })
    }

    /// An `orchestrationTrace` of what that code printed, and of the files that it made.
    pub(super) fn executed(
        &self,
        output: &str,
        files: &[&str],
        start: Duration,
        took: Duration,
    ) -> Value {
        json!({ "orchestrationTrace": { "observation": {
            "codeInterpreterInvocationOutput": {
                "executionOutput": output,
                "executionTimeout": false,
                "files": files,
                "metadata": self.metadata(start, took, None),
            },
            "traceId": format!("{}-1", self.id),
            "type": "ACTION_GROUP",
        } } })
    }

    /// A `routingClassifierTrace` of what the classifier of a supervisor is told.
    pub(super) fn routing_input(&self, call: &ModelCall<'_>) -> Value {
        let input = self.model_input(call, "ROUTING_CLASSIFIER");
        json!({ "routingClassifierTrace": { "modelInvocationInput": input } })
    }

    /// A `routingClassifierTrace` of which collaborator it picks.
    pub(super) fn routing_output(&self, call: &ModelCall<'_>) -> Value {
        json!({ "routingClassifierTrace": { "modelInvocationOutput": {
            "metadata": self.metadata(call.start, call.took, Some(call.usage)),
            "rawResponse": { "content": call.response },
            "traceId": format!("{}-routing-{}", self.id, call.id),
        } } })
    }

    /// An `orchestrationTrace` of a task for a collaborator.
    pub(super) fn delegate(&self, member: &Member, task: &str) -> Value {
        json!({ "orchestrationTrace": { "invocationInput": {
            "agentCollaboratorInvocationInput": {
                "agentCollaboratorAliasArn": alias_arn(member.agent_id, member.agent_alias_id),
                "agentCollaboratorName": member.name,
                "input": { "text": task, "type": "TEXT" },
            },
            "invocationType": "AGENT_COLLABORATOR",
            "traceId": format!("{}-{}", self.id, member.name),
        } } })
    }

    /// An `orchestrationTrace` of what a collaborator answered.
    pub(super) fn delegated(
        &self,
        member: &Member,
        text: &str,
        start: Duration,
        took: Duration,
    ) -> Value {
        json!({ "orchestrationTrace": { "observation": {
            "agentCollaboratorInvocationOutput": {
                "agentCollaboratorAliasArn": alias_arn(member.agent_id, member.agent_alias_id),
                "agentCollaboratorName": member.name,
                "metadata": self.metadata(start, took, None),
                "output": { "text": text, "type": "TEXT" },
            },
            "traceId": format!("{}-{}", self.id, member.name),
            "type": "AGENT_COLLABORATOR",
        } } })
    }

    /// A `guardrailTrace` of a prompt that a guardrail blocks, for its topic and its content.
    pub(super) fn blocked(&self, topic: &str, took: Duration) -> Value {
        json!({ "guardrailTrace": {
            "action": "INTERVENED",
            "inputAssessments": [{
                "contentPolicy": { "filters": [
                    { "action": "BLOCKED", "confidence": "HIGH", "type": "PROMPT_ATTACK" },
                ] },
                "topicPolicy": { "topics": [
                    { "action": "BLOCKED", "name": topic, "type": "DENY" },
                ] },
            }],
            "metadata": self.metadata(Duration::ZERO, took, None),
            "outputAssessments": [],
            "traceId": format!("{}-guardrail-pre-0", self.id),
        } })
    }

    /// An `orchestrationTrace` of the whole answer, and when its agent began and how long it took.
    pub(super) fn finish(&self, text: &str, start: Duration, took: Duration) -> Value {
        let mut metadata = self.metadata(start, took, None);
        metadata["operationTotalTimeMs"] = metadata["totalTimeMs"].clone();
        json!({ "orchestrationTrace": { "observation": {
            "finalResponse": { "metadata": metadata, "text": text },
            "traceId": format!("{}-2", self.id),
            "type": "FINISH",
        } } })
    }

    fn model_input(&self, call: &ModelCall<'_>, kind: &str) -> Value {
        let prefix = match kind {
            "PRE_PROCESSING" => "pre-",
            "ROUTING_CLASSIFIER" => "routing-",
            _ => "",
        };
        json!({
            "foundationModel": "scripted.local-model-v1:0",
            "inferenceConfiguration": {
                "maximumLength": 2048,
                "stopSequences": ["</answer>"],
                "temperature": 0.0,
                "topK": 250,
                "topP": 1.0,
            },
            "parserMode": "DEFAULT",
            "promptCreationMode": "DEFAULT",
            "text": json!({
                "system": "You are a friendly agent that explains Agent Relay.",
                "messages": [{ "role": "user", "content": call.prompt }],
            }).to_string(),
            "traceId": format!("{}-{prefix}{}", self.id, call.id),
            "type": kind,
        })
    }

    fn metadata(&self, start: Duration, took: Duration, usage: Option<(usize, usize)>) -> Value {
        let time = |offset: Duration| {
            let time = DateTime::from(self.now + offset);
            time.fmt(Format::DateTimeWithOffset).unwrap_or_default()
        };
        let mut metadata = json!({
            "clientRequestId": format!("{}-{}", self.id, start.as_millis()),
            "endTime": time(start + took),
            "startTime": time(start),
            "totalTimeMs": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        });
        if let Some((input, output)) = usage {
            metadata["usage"] = json!({ "inputTokens": input, "outputTokens": output });
        }
        metadata
    }
}
