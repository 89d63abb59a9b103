//! Files that come with a prompt: whole in the message, or as the id of an [upload](super::upload).
//!
//! | | short form: `files` | AG-UI's form: parts of the last message with the role `user` |
//! |---|---|---|
//! | whole | `{"name":"a.csv","mediaType":"text/csv","data":"…"}` | `{"type":"binary","mimeType":"text/csv","filename":"a.csv","data":"…"}`, `{"type":"document","source":{"type":"data","mimeType":"text/csv","value":"…"},"metadata":{"filename":"a.csv"}}` |
//! | uploaded | `{"name":"a.csv","mediaType":"text/csv","upload":"…"}` | `"id":"…"` in place of `data`; a source of the type `file` |

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::config::FileUse;
use crate::request::fields::{Fields, short};

/// The most files of a run ("`ByteContentFile`" in the API reference of `InvokeAgent`).
pub const MAX_FILES: usize = 5;

/// The most bytes of all files of a run, as they are before base64 (the same page).
pub const MAX_FILES_BYTES: usize = 10 * 1024 * 1024;

/// The longest name of a file, in characters.
const MAX_NAME_CHARS: usize = 255;

/// The longest media type, in bytes: twice 127 and a slash (RFC 6838).
const MAX_MEDIA_TYPE: usize = 255;

/// The types of AG-UI's parts that are files.
const PART_TYPES: [&str; 5] = ["binary", "image", "audio", "video", "document"];

/// A file that a message asks to be sent on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestedFile {
    /// Its name, without folders.
    pub name: String,
    /// Its media type, such as `text/csv`.
    pub media_type: String,
    /// What the agent is to do with it; `None` leaves that to the deployment.
    pub file_use: Option<FileUse>,
    /// Its bytes, or where they are.
    pub content: FileContent,
}

/// The bytes of a file, or where they are.
#[derive(Clone, PartialEq, Eq)]
pub enum FileContent {
    /// In the message.
    Here(Vec<u8>),
    /// In an upload with this id.
    Uploaded(String),
}

/// Neither what is in a file nor the id of an upload must be in a log.
impl fmt::Debug for FileContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here(data) => write!(f, "{} bytes", data.len()),
            Self::Uploaded(_) => f.write_str("an upload"),
        }
    }
}

/// A file with its bytes, as a source gets it.
#[derive(Clone, PartialEq, Eq)]
pub struct InputFile {
    /// Its name.
    pub name: String,
    /// Its media type.
    pub media_type: String,
    /// What the agent is to do with it.
    pub file_use: FileUse,
    /// Its bytes.
    pub data: Vec<u8>,
}

/// What is in a file must not be in a log.
impl fmt::Debug for InputFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a file of {} bytes", self.data.len())
    }
}

/// The files in the field `files` of the short form.
pub(super) fn from_short_form(fields: &Fields<'_>) -> Result<Vec<RequestedFile>, String> {
    fields.objects("files")?.iter().map(file_of_short_form).collect()
}

fn file_of_short_form(file: &Fields<'_>) -> Result<RequestedFile, String> {
    file.only(&["name", "mediaType", "data", "upload", "useCase"])?;
    let content = match (file.text("data")?, file.text("upload")?) {
        (Some(data), None) => FileContent::Here(decoded(&data, &file.path("data"))?),
        (None, Some(id)) => FileContent::Uploaded(id),
        (Some(_), Some(_)) => {
            return Err(format!("`{}` has both `data` and `upload`.", file.place()));
        }
        (None, None) => {
            return Err(format!("`{}` has neither `data` nor `upload`.", file.place()));
        }
    };
    Ok(RequestedFile {
        name: file.required_text("name")?,
        media_type: file.required_text("mediaType")?,
        file_use: file_use(file)?,
        content,
    })
}

/// Whether a part of a message with this type is a file.
pub(super) fn is_file_part(kind: &str) -> bool {
    PART_TYPES.contains(&kind)
}

/// The file in a part of a message, which is of this type and the file with this number.
pub(super) fn from_part(
    part: &Fields<'_>,
    kind: &str,
    number: usize,
) -> Result<RequestedFile, String> {
    let elsewhere = |place: &str| {
        format!(
            "`{place}` is an address, and the agent gets only files that come with the message: send the file itself."
        )
    };
    let (media_type, content, about) = if kind == "binary" {
        let content = match (part.text("data")?, part.text("id")?, part.has("url")) {
            (Some(data), ..) => FileContent::Here(decoded(&data, &part.path("data"))?),
            (None, Some(id), _) => FileContent::Uploaded(id),
            (None, None, true) => return Err(elsewhere(&part.path("url"))),
            (None, None, false) => return Err(part.missing("data", "the file in base64")),
        };
        (part.required_text("mimeType")?, content, None)
    } else {
        let source = part.object("source")?;
        let value = || source.required_text("value");
        let content = match &*source.required_text("type")? {
            "data" => FileContent::Here(decoded(&value()?, &source.path("value"))?),
            "file" => FileContent::Uploaded(value()?),
            "url" => return Err(elsewhere(source.place())),
            other => {
                return Err(format!(
                    "`{}` is of the type `{}`, but it must be `data` or `file`.",
                    source.place(),
                    short(other)
                ));
            }
        };
        // It may be anything, and is read where it is an object.
        let about = part.object("metadata").ok();
        (source.required_text("mimeType")?, content, about)
    };
    let name_in = |fields: &Fields<'_>| {
        let names = ["filename", "fileName", "name"];
        names.iter().find_map(|name| fields.text(name).ok().flatten())
    };
    let name = match &about {
        Some(about) => name_in(about),
        None => part.text("filename")?,
    };
    let name = name.unwrap_or_else(|| {
        let subtype = media_type.rsplit('/').next().unwrap_or_default();
        let ending: String = subtype.chars().filter(char::is_ascii_alphanumeric).collect();
        format!("file-{number}.{ending}")
    });
    let file_use = file_use(about.as_ref().unwrap_or(part))?;
    Ok(RequestedFile { name, media_type, file_use, content })
}

fn file_use(fields: &Fields<'_>) -> Result<Option<FileUse>, String> {
    let Some(text) = fields.text("useCase")? else { return Ok(None) };
    FileUse::parse(&text)
        .map(Some)
        .ok_or_else(|| format!("`{}` must be CHAT or CODE_INTERPRETER.", fields.path("useCase")))
}

fn decoded(base64: &str, place: &str) -> Result<Vec<u8>, String> {
    STANDARD.decode(base64).map_err(|_| {
        format!("`{place}` is not base64: it must have the letters of RFC 4648 with their padding, and nothing before them.")
    })
}

/// Makes sure that files can be sent on together. The size of those that are uploaded is not known yet.
pub(super) fn check(files: &[RequestedFile]) -> Result<(), String> {
    if files.len() > MAX_FILES {
        return Err(format!(
            "The message has {} files, and the agent takes at most {MAX_FILES}.",
            files.len()
        ));
    }
    for (index, RequestedFile { name, media_type, content, .. }) in files.iter().enumerate() {
        if !is_name(name) {
            return Err(format!(
                "\"{}\" is no name of a file: it must be 1 to {MAX_NAME_CHARS} characters without control characters and slashes.",
                short(&name.escape_debug().to_string())
            ));
        }
        if files[..index].iter().any(|other| other.name == *name) {
            return Err(format!("Two files have the name \"{}\": give one another.", short(name)));
        }
        if !is_media_type(media_type) {
            return Err(format!(
                "\"{}\" is no media type: it must be like text/csv, without parameters.",
                short(&media_type.escape_debug().to_string())
            ));
        }
        if matches!(content, FileContent::Here(data) if data.is_empty()) {
            return Err(format!("The file \"{}\" is empty.", short(name)));
        }
    }
    let here = |file: &RequestedFile| match &file.content {
        FileContent::Here(data) => data.len(),
        FileContent::Uploaded(_) => 0,
    };
    check_size(files.iter().map(here).sum())
}

/// Makes sure that files of so many bytes together can be sent on.
///
/// # Errors
/// Says that they are too large.
pub fn check_size(bytes: usize) -> Result<(), String> {
    if bytes > MAX_FILES_BYTES {
        return Err(format!(
            "The files have {bytes} bytes together, and the agent takes at most {MAX_FILES_BYTES}."
        ));
    }
    Ok(())
}

fn is_name(name: &str) -> bool {
    (1..=MAX_NAME_CHARS).contains(&name.chars().count())
        && !matches!(name, "." | "..")
        && !name.contains(|char: char| char.is_control() || matches!(char, '/' | '\\'))
}

fn is_media_type(text: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&byte))
    };
    text.len() <= MAX_MEDIA_TYPE
        && text.split_once('/').is_some_and(|(kind, subtype)| is_part(kind) && is_part(subtype))
}

/// The prompt of the short form as it is kept: with the names of its files.
pub(super) fn kept_prompt(prompt: &str, fields: &Fields<'_>) -> String {
    let notes = fields.objects("files").unwrap_or_default().into_iter().map(|file| {
        let text = |name| file.text(name).ok().flatten().unwrap_or_default();
        note(&text("name"), &text("mediaType"))
    });
    [prompt.to_owned()].into_iter().chain(notes).collect::<Vec<_>>().join("\n\n")
}

/// A message of AG-UI's as it is kept: with the names of its files in place of what is in them. `None` if it
/// has none, and is kept as it is.
pub(super) fn kept_message(message: &Fields<'_>, json: &RawValue) -> Option<Value> {
    if !message.is_list("content") {
        return None;
    }
    let mut number = 0;
    let parts = message.objects("content").ok()?.into_iter().map(|part| {
        let kind = part.text("type").ok().flatten()?;
        if !is_file_part(&kind) {
            return None;
        }
        number += 1;
        let text = match from_part(&part, &kind, number) {
            Ok(file) => note(&file.name, &file.media_type),
            Err(_) => "[File]".to_owned(),
        };
        Some(json!({"type": "text", "text": text}))
    });
    let parts: Vec<Option<Value>> = parts.collect();
    if parts.iter().all(Option::is_none) {
        return None;
    }
    let mut kept: Value = serde_json::from_str(json.get()).ok()?;
    for (index, part) in parts.into_iter().enumerate() {
        if let Some(part) = part {
            kept["content"][index] = part;
        }
    }
    Some(kept)
}

fn note(name: &str, media_type: &str) -> String {
    format!("[File: {name} ({media_type})]")
}

#[cfg(test)]
mod tests;
