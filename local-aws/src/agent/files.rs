//! The files that come with a prompt, checked as Bedrock does ("`ByteContentFile`" and "`InputFile`" in the
//! API reference of `InvokeAgent`).

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::exception::Refusal;

const MAX_FILES: usize = 5;
const MAX_BYTES: usize = 10 * 1024 * 1024;

/// Longer base64 is not in the journal.
const MAX_BASE64_IN_JOURNAL: usize = 64 * 1024;

/// A file that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReceivedFile {
    name: String,
    media_type: String,
    use_case: String,
    bytes: usize,
    /// SHA-256, in hexadecimal digits.
    hash: String,
}

/// Reads `sessionState.files`.
pub(super) fn read(files: &[Value]) -> Result<Vec<ReceivedFile>, Refusal> {
    if files.len() > MAX_FILES {
        return Err(Refusal::invalid(format!(
            "The maximum number of files is {MAX_FILES}, but there are {}.",
            files.len()
        )));
    }
    let files = files.iter().map(read_file).collect::<Result<Vec<_>, _>>()?;
    let bytes: usize = files.iter().map(|file| file.bytes).sum();
    if bytes > MAX_BYTES {
        return Err(Refusal::invalid(format!(
            "The maximum size of all files is 10MB, but they have {bytes} bytes."
        )));
    }
    Ok(files)
}

fn read_file(file: &Value) -> Result<ReceivedFile, Refusal> {
    let wrong = |what: &str| Refusal::invalid(format!("A file in sessionState.files {what}."));
    let text = |value: &Value, what: &str| {
        let text = value.as_str().filter(|text| !text.is_empty());
        text.map(str::to_owned).ok_or_else(|| wrong(what))
    };
    let source = &file["source"];
    if source["sourceType"] != "BYTE_CONTENT" {
        return Err(wrong("has a sourceType other than BYTE_CONTENT"));
    }
    let use_case = text(&file["useCase"], "has no useCase")?;
    if !matches!(&*use_case, "CHAT" | "CODE_INTERPRETER") {
        return Err(wrong("has a useCase other than CHAT and CODE_INTERPRETER"));
    }
    let content = &source["byteContent"];
    let data = text(&content["data"], "has no data")?;
    let data = STANDARD.decode(data).map_err(|_| wrong("has data that is not base64"))?;
    let mut hash = String::new();
    for byte in Sha256::digest(&data) {
        // Writing to a string can't fail.
        let _ = write!(hash, "{byte:02x}");
    }
    Ok(ReceivedFile {
        name: text(&file["name"], "has no name")?,
        media_type: text(&content["mediaType"], "has no mediaType")?,
        use_case,
        bytes: data.len(),
        hash,
    })
}

/// What came, as a Markdown list.
pub(super) fn listed(files: &[ReceivedFile]) -> String {
    if files.is_empty() {
        return "No file came with this prompt.".to_owned();
    }
    let line = |file: &ReceivedFile| {
        let ReceivedFile { name, media_type, use_case, bytes, hash } = file;
        format!("- `{name}`, {media_type}, {bytes} bytes, {use_case}, SHA-256 `{hash}`\n")
    };
    let lines: String = files.iter().map(line).collect();
    let count =
        if files.len() == 1 { "1 file".to_owned() } else { format!("{} files", files.len()) };
    format!("I have received {count}:\n\n{lines}")
}

/// The request as the journal has it: without what is in large files.
pub(super) fn for_journal(mut request: Value) -> Value {
    let files = request.pointer_mut("/sessionState/files").and_then(Value::as_array_mut);
    for file in files.into_iter().flatten() {
        if let Some(data) = file.pointer_mut("/source/byteContent/data")
            && let Some(length) = data.as_str().map(str::len)
            && length > MAX_BASE64_IN_JOURNAL
        {
            *data = Value::String(format!("({length} characters of base64)"));
        }
    }
    request
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn file(bytes: usize) -> Value {
        json!({
            "name": "a.csv", "useCase": "CHAT",
            "source": {
                "sourceType": "BYTE_CONTENT",
                "byteContent": {"mediaType": "text/csv", "data": STANDARD.encode(vec![b'a'; bytes])},
            },
        })
    }

    #[test]
    fn what_came_is_told() {
        let files = read(&[file(3)]).unwrap();
        assert_eq!(
            listed(&files),
            "I have received 1 file:\n\n- `a.csv`, text/csv, 3 bytes, CHAT, SHA-256 `9834876dcfb05cb167a5c24953eba58c4ac89b1adf57f28f2f9d09af107ee8f0`\n"
        );
    }

    #[test]
    fn what_bedrock_does_not_take_is_refused() {
        assert!(read(&vec![file(1); 5]).is_ok());
        assert!(read(&vec![file(1); 6]).is_err());
        let half = file(MAX_BYTES / 2);
        assert!(read(&[half.clone(), half.clone()]).is_ok());
        assert!(read(&[half.clone(), half, file(1)]).is_err());
        for (pointer, value) in [
            ("/useCase", json!("READ")),
            ("/name", json!("")),
            ("/source/sourceType", json!("S3")),
            ("/source/byteContent/mediaType", Value::Null),
            ("/source/byteContent/data", json!("not base64!")),
            ("/source/byteContent/data", json!("")),
        ] {
            let mut wrong = file(1);
            *wrong.pointer_mut(pointer).unwrap() = value;
            assert!(read(&[wrong]).is_err(), "{pointer}");
        }
    }
}
