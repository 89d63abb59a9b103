//! Pieces of files that are kept, and the files of a run.

use std::time::{Duration, SystemTime};

use lambda_runtime::Context;
use serde_json::{Value, json};
use tracing::{error, info, warn};

use crate::agui::{Frame, RunIds};
use crate::config::FileUse;
use crate::error::{ErrorCode, Failure, chain};
use crate::handler::{Handler, Refused, refused_as_invalid, status};
use crate::invocation::Message;
use crate::relay::outbox::Outbox;
use crate::relay::refuse;
use crate::request::files::{FileContent, InputFile, MAX_FILES_BYTES, RequestedFile, check_size};
use crate::request::upload::UploadRequest;
use crate::request::{ClientMessage, InvalidRequest};
use crate::runs::dynamodb::RunsTable;
use crate::runs::error::RunsError;
use crate::runs::uploads::{self, UploadAddress, UploadError};
use crate::source::FilesToCome;
use crate::transport::{FrameSink, Outgoing, SendError};

impl Handler {
    /// Keeps the piece of a file in a message; `None` if there is none in it.
    pub(super) fn attend_to_upload(&self, message: &Message, context: &Context) -> Option<Value> {
        let request = UploadRequest::parse(message).transpose()?;
        let connection = match self.services.connections.to(&message.connection) {
            Ok(connection) => connection,
            Err(error) => {
                error!(error = chain(&error), "there is no way to answer the client");
                return Some(status(500));
            }
        };
        let remaining = context.deadline().duration_since(SystemTime::now()).unwrap_or_default();
        Some(match self.accept_upload(request, message.into(), remaining) {
            Err(refused) => {
                let response = status(refused.status);
                self.spawn(context, self.refuse(connection, refused, remaining));
                response
            }
            Ok((table, request)) => {
                self.spawn(context, keep(table, request, connection));
                status(200)
            }
        })
    }

    /// Makes sure that a piece can be kept.
    pub(super) fn accept_upload(
        &self,
        request: Result<UploadRequest, InvalidRequest>,
        message: ClientMessage<'_>,
        remaining: Duration,
    ) -> Result<(RunsTable, UploadRequest), Refused> {
        let request = request.map_err(|invalid| refused_as_invalid(invalid, message.request_id))?;
        let seq = u64::try_from(request.piece.index).unwrap_or_default();
        let refused = |reason: &str| Refused {
            run_id: request.id.clone(),
            seq,
            failure: Failure::new(ErrorCode::InvalidRequest).with_message(reason),
            status: 400,
        };
        if self.config.files.is_none() {
            return Err(refused("The agent of this deployment takes no files."));
        }
        self.is_possible(message.principal, remaining)
            .map_err(|refusal| Refused { seq, ..refusal.of(&request.id) })?;
        match &self.services.runs {
            Some(table) => Ok((table.clone(), request)),
            None => Err(refused(
                "This deployment has no table that could keep a file until all of it has come: send files whole, in the message with the prompt.",
            )),
        }
    }

    /// The files of a run, which are read once they are wanted.
    pub(super) fn files_to_come(
        &self,
        files: Vec<RequestedFile>,
        user_hash: Option<String>,
    ) -> FilesToCome {
        let table = self.services.runs.clone();
        let default_use = self.config.files.unwrap_or(FileUse::Chat);
        FilesToCome::new(async move {
            let mut read = Vec::with_capacity(files.len());
            let mut left = MAX_FILES_BYTES;
            for RequestedFile { name, media_type, file_use, content } in files {
                let data = match content {
                    FileContent::Here(data) => data,
                    FileContent::Uploaded(id) => {
                        uploaded(table.as_ref(), user_hash.as_deref(), &name, &id, left).await?
                    }
                };
                left =
                    left.checked_sub(data.len()).ok_or_else(|| too_large(MAX_FILES_BYTES + 1))?;
                let file_use = file_use.unwrap_or(default_use);
                read.push(InputFile { name, media_type, file_use, data });
            }
            Ok(read)
        })
    }
}

/// Keeps a piece, and says so.
pub(super) async fn keep(table: RunsTable, request: UploadRequest, sink: impl FrameSink) {
    let UploadRequest { id, address, piece } = request;
    let index = piece.index;
    let seq = u64::try_from(index).unwrap_or_default();
    let sent = match table.put_piece(&address, piece).await {
        Ok(()) => confirm(id, index, seq, &sink).await,
        Err(error) => {
            warn!(error = chain(&error), "a piece of a file is not kept");
            refuse(id, seq, &unreachable(error), &sink).await
        }
    };
    match sent {
        Ok(()) => {}
        Err(SendError::Gone) => info!("the client is gone"),
        Err(error) => error!(error = chain(&error), "the client could not be told"),
    }
}

async fn confirm(
    id: String,
    index: usize,
    seq: u64,
    sink: &impl FrameSink,
) -> Result<(), SendError> {
    let value = serde_json::value::to_raw_value(&json!({"id": id, "index": index}));
    // Two such members can always be written.
    let Ok(json) = value else { return Ok(()) };
    let ids = RunIds { run_id: id, ..RunIds::default() };
    let mut outbox = Outbox::new(ids, sink.max_frame()).starting_at(seq);
    outbox.push(Frame::Custom { name: "relay.upload", json });
    while let Some(frame) = outbox.next_frame() {
        sink.send(Outgoing::Frame(frame)).await?;
    }
    Ok(())
}

/// The bytes of an upload, which may have so many.
async fn uploaded(
    table: Option<&RunsTable>,
    user_hash: Option<&str>,
    name: &str,
    id: &str,
    most: usize,
) -> Result<Vec<u8>, Failure> {
    let no_such_upload = |words: String| Failure::new(ErrorCode::NoSuchUpload).with_message(words);
    let gone = || {
        no_such_upload(format!(
            "The file \"{name}\" is not here: it was not uploaded, or more than an hour ago. Send it again."
        ))
    };
    let (Some(table), Some(address)) = (table, UploadAddress::new(user_hash, id)) else {
        return Err(gone());
    };
    uploads::read(table, &address, most).await.map_err(|error| match error {
        UploadError::NoSuchUpload => gone(),
        UploadError::Incomplete { index, count } => no_such_upload(format!(
            "Not all of the file \"{name}\" has come: piece {index} of {count} is missing. Send it again."
        )),
        UploadError::Mixed => no_such_upload(format!(
            "The pieces of the file \"{name}\" are not of one file. Send it again, with another id."
        )),
        UploadError::TooLarge(size) => too_large(MAX_FILES_BYTES - most + size),
        UploadError::Table(error) => unreachable(error),
    })
}

fn too_large(bytes: usize) -> Failure {
    let reason = check_size(bytes).err().unwrap_or_default();
    Failure::new(ErrorCode::InvalidRequest).with_message(reason)
}

fn unreachable(error: RunsError) -> Failure {
    let message = "The table that keeps files until they are sent on can't be reached. Try again in a moment.";
    Failure::new(ErrorCode::Internal).with_message(message).with_source(error)
}
