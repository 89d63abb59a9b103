//! A piece of a file that is too large for one message: `{"upload":{"id":"…","index":0,"count":3,"size":70000,"data":"…"}}`.
//!
//! Each message may meet another process, so pieces are kept in the table, until a run names the upload.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::request::fields::Fields;
use crate::request::files::MAX_FILES_BYTES;
use crate::request::{ClientMessage, InvalidRequest, User, object};
use crate::runs::uploads::{Piece, UploadAddress};

/// The most pieces of an upload. Browsers send at most 32 KB in a message, which takes some 440 for the
/// largest file.
const MAX_PIECES: usize = 1024;

/// A message with a piece of a file.
#[derive(Clone, PartialEq, Eq)]
pub struct UploadRequest {
    /// The client's id of the upload: what answers it has this in place of a run's id.
    pub id: String,
    /// Whose upload it is.
    pub address: UploadAddress,
    /// The piece.
    pub piece: Piece,
}

/// Neither the id of an upload nor what is in it must be in a log.
impl fmt::Debug for UploadRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UploadRequest").field("piece", &self.piece).finish_non_exhaustive()
    }
}

impl UploadRequest {
    /// Understands a message with a piece of a file; `None` if it is none.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse<'a>(
        message: impl Into<ClientMessage<'a>>,
    ) -> Result<Option<Self>, InvalidRequest> {
        let message = message.into();
        // What is no object at all, is no run either, and that is said elsewhere.
        let Ok(object) = object(message.body) else { return Ok(None) };
        let fields = Fields::new(object);
        let is_agui = fields.has("messages") || fields.has("threadId") || fields.has("runId");
        if is_agui || !fields.has("upload") {
            return Ok(None);
        }
        let mut run_id = None;
        let mut seq = 0;
        Self::understand(&fields, message, &mut run_id, &mut seq)
            .map(Some)
            .map_err(|reason| InvalidRequest { reason, run_id, seq })
    }

    fn understand(
        fields: &Fields<'_>,
        message: ClientMessage<'_>,
        run_id: &mut Option<String>,
        seq: &mut u64,
    ) -> Result<Self, String> {
        fields.only(&["upload", "action"])?;
        let upload = fields.object("upload")?;
        upload.only(&["id", "index", "count", "size", "data"])?;
        let id = upload.required_text("id")?;
        let address = UploadAddress::new(owner(message).as_deref(), &id)
            .ok_or_else(|| format!("`{}` must be {}.", upload.path("id"), UploadAddress::ID))?;
        *run_id = Some(id.clone());
        let number = |name: &str, least| {
            let number = upload.integer(name, least)?;
            let number = number.ok_or_else(|| upload.missing(name, "a whole number"))?;
            usize::try_from(number).map_err(|_| format!("`{}` is too large.", upload.path(name)))
        };
        let index = number("index", 0)?;
        *seq = u64::try_from(index).unwrap_or_default();
        let (count, size) = (number("count", 1)?, number("size", 1)?);
        if size > MAX_FILES_BYTES {
            return Err(format!(
                "The file has {size} bytes, and the agent takes at most {MAX_FILES_BYTES}."
            ));
        }
        if count > MAX_PIECES || index >= count {
            return Err(format!(
                "`{}` must be at most {MAX_PIECES}, and `{}` below it.",
                upload.path("count"),
                upload.path("index")
            ));
        }
        let data = STANDARD
            .decode(upload.required_text("data")?)
            .map_err(|_| format!("`{}` is not base64.", upload.path("data")))?;
        if !fits(index, count, size, data.len()) {
            return Err(format!(
                "A piece of {} bytes can't be number {index} of {count} of a file of {size}: all pieces but the last have the same size.",
                data.len()
            ));
        }
        Ok(Self { id, address, piece: Piece { index, count, size, data } })
    }
}

/// Whose files the sender can name.
fn owner(message: ClientMessage<'_>) -> Option<String> {
    message.principal.map(|principal| User::from(principal.clone()).hash)
}

/// Whether a file of `size` bytes in `count` pieces, which all but the last have the same size, can have one of
/// so many bytes at this place.
fn fits(index: usize, count: usize, size: usize, bytes: usize) -> bool {
    let before = count - 1;
    if index < before {
        // Neither can overflow: a message has at most 6 MB.
        bytes > 0 && bytes * before < size && size <= bytes * count
    } else if before == 0 {
        bytes == size
    } else {
        // What the others have, they share evenly; the last is not larger than they are.
        bytes > 0
            && bytes < size
            && (size - bytes).is_multiple_of(before)
            && bytes <= (size - bytes) / before
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::invocation::Principal;

    const ID: &str = "0b9f8c1e-6a47-4b52-9a3e-d4f0e1c2b3a4";

    fn parse(
        message: &Value,
        principal: Option<&Principal>,
    ) -> Result<Option<UploadRequest>, InvalidRequest> {
        let body = message.to_string();
        UploadRequest::parse(ClientMessage {
            body: body.as_bytes(),
            request_id: "request-1",
            principal,
            origin_id: "connection-1",
            trace_context: None,
        })
    }

    fn piece(index: usize, count: usize, size: usize, bytes: usize) -> Value {
        let data = STANDARD.encode(vec![7; bytes]);
        json!({"upload": {"id": ID, "index": index, "count": count, "size": size, "data": data}})
    }

    #[test]
    fn pieces_of_one_file_are_understood() {
        for (index, bytes) in [(0, 100), (1, 100), (2, 50)] {
            let request = parse(&piece(index, 3, 250, bytes), None).unwrap().unwrap();
            assert_eq!((&*request.id, request.piece.index), (ID, index));
            assert_eq!(request.piece.data, vec![7; bytes]);
        }
        // Three pieces of 84, 84 and 82 are a file of 250, too.
        assert!(parse(&piece(0, 3, 250, 84), None).is_ok());
        for whole in [1, 20_000] {
            assert!(parse(&piece(0, 1, whole, whole), None).is_ok());
        }
    }

    #[test]
    fn an_upload_is_its_users() {
        let principal = |name: &str| Principal { subject: name.to_owned(), email: None };
        let address = |principal: Option<&Principal>| {
            parse(&piece(0, 1, 5, 5), principal).unwrap().unwrap().address
        };
        let (ada, bob) = (address(Some(&principal("ada"))), address(Some(&principal("bob"))));
        assert_ne!(ada, bob);
        assert_ne!(ada, address(None));
        assert_eq!(ada, address(Some(&principal("ada"))));
    }

    #[test]
    fn what_is_wrong_is_said_with_the_upload_s_id() {
        let with = |name: &str, value: Value| {
            let mut message = piece(1, 3, 250, 100);
            message["upload"][name] = value;
            message
        };
        for (message, wrong) in [
            (with("id", json!("short")), "`upload.id` must be"),
            (with("id", json!("a/".repeat(20))), "`upload.id` must be"),
            (with("index", json!(-1)), "`upload.index` must be a whole number"),
            (with("index", json!(1.5)), "`upload.index` must be a whole number"),
            (with("index", json!(3)), "`upload.index` below it"),
            (with("count", json!(0)), "`upload.count` must be a whole number"),
            (with("count", json!(5000)), "at most 1024"),
            (with("size", json!(10_485_761)), "at most 10485760"),
            (with("size", json!(i64::MAX)), "at most 10485760"),
            (with("size", Value::Null), "`upload.size` is missing"),
            (with("data", json!("not base64!")), "`upload.data` is not base64"),
            (with("data", json!("")), "A piece of 0 bytes"),
            (with("name", json!("a.csv")), "`upload.name`"),
            (json!({"upload": {"id": ID}, "prompt": "hi"}), "`prompt`"),
            (json!({"upload": []}), "`upload` must be an object"),
            (piece(0, 3, 250, 50), "A piece of 50 bytes"),
            (piece(2, 3, 250, 100), "A piece of 100 bytes"),
            (piece(2, 3, 250, 51), "A piece of 51 bytes"),
            (piece(0, 1, 250, 249), "A piece of 249 bytes"),
        ] {
            let invalid = parse(&message, None).unwrap_err();
            assert!(invalid.reason.contains(wrong), "{message}: {}", invalid.reason);
        }
        let invalid = parse(&with("data", json!("!")), None).unwrap_err();
        assert_eq!((invalid.run_id.as_deref(), invalid.seq), (Some(ID), 1));
    }

    #[test]
    fn other_messages_are_left_to_others() {
        for message in [
            json!({"prompt": "upload"}),
            json!({"threadId": "t1", "runId": "r", "messages": [], "upload": {"id": ID}}),
            json!(["upload"]),
        ] {
            assert!(parse(&message, None).unwrap().is_none(), "{message}");
        }
    }

    #[test]
    fn nothing_of_a_piece_is_in_a_log() {
        let request = parse(&piece(0, 1, 3, 3), None).unwrap().unwrap();
        let shown = format!("{request:?}");
        assert!(!shown.contains(ID) && !shown.contains("7, 7"), "{shown}");
    }
}
