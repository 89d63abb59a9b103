//! The form in which a journal is kept in a table: JSON values one after the other, each on a line,
//! deflated, and cut into parts.
//!
//! | line | what it is |
//! |---|---|
//! | `{"version":1,"firstSeq":1}` | the first: the oldest frame after `RUN_STARTED` that is in it |
//! | `["{…\"delta\":\"","\",…\"seq\":"]` | what stands before the texts that follow, and between them and their numbers |
//! | `[17,"Refunds are "]` | text, with its number |
//! | `[18,{…}]` | a frame, with its number |
//! | `[19,[32000,32950],{…}]` | a frame that is larger than a post, with the number of its first fragment, and where its fragments end |
//!
//! `RUN_STARTED` is not in it, since the key of the run is in that: it is made anew from the key of whoever
//! joins.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use thiserror::Error;

use crate::agui::RunIds;
use crate::deflate::{InflateError, deflate, inflate};
use crate::relay::journal::{Body, Entry, Journal, MAX_JOURNAL, TextForm};

/// The largest part, in bytes: with its names, an item of a table is at most 400 KB ("Service, account, and
/// table quotas in Amazon `DynamoDB`").
pub const MAX_PART: usize = 380_000;

/// What a journal may be when it is inflated: its bound, and the numbers and quotation marks around each of
/// its pieces. More is none of ours.
const MAX_INFLATED: u64 = 4 * MAX_JOURNAL as u64;

const VERSION: u32 = 1;

/// Why a kept journal can't be read.
#[derive(Debug, Error)]
pub enum UnreadableJournal {
    /// It is not deflated, a part of it is missing, or it is larger than any that is kept.
    #[error("the kept run can't be inflated")]
    Inflate(#[from] InflateError),
    /// A line is no JSON, or not what is expected there.
    #[error("a line of the kept run can't be read")]
    Json(#[source] serde_json::Error),
    /// Another version of the function has kept it, or a line stands where it can't.
    #[error("the kept run has {0}, which this version of the function does not know")]
    Unknown(&'static str),
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Header {
    version: u32,
    first_seq: u64,
}

/// A journal as it is kept, but for its size.
#[derive(Debug)]
pub struct Lines(String);

impl Lines {
    /// In parts of at most [`MAX_PART`] bytes.
    #[must_use]
    pub fn to_parts(&self) -> Vec<Vec<u8>> {
        deflate(&self.0).chunks(MAX_PART).map(<[u8]>::to_vec).collect()
    }
}

impl Journal {
    /// The journal as it is kept, without `RUN_STARTED`, in parts of at most [`MAX_PART`] bytes. If it is
    /// beyond its bound, the oldest frames are left out.
    #[must_use]
    pub fn to_parts(&self) -> Vec<Vec<u8>> {
        self.to_lines().to_parts()
    }

    /// The same before it is deflated, which takes most of the time.
    #[must_use]
    pub fn to_lines(&self) -> Lines {
        Lines(self.lines())
    }

    /// A journal that has been kept, of the run with these ids, whose `RUN_STARTED` is `start`. It makes
    /// frames of at most so many bytes, but for those that were kept larger.
    ///
    /// # Errors
    /// These are not all parts of one journal, in order.
    pub fn from_parts(
        ids: RunIds,
        max_frame: usize,
        start: Vec<u8>,
        parts: &[Vec<u8>],
    ) -> Result<Self, UnreadableJournal> {
        let text = inflate(&parts.concat(), MAX_INFLATED)?;
        let mut values = serde_json::Deserializer::from_str(&text).into_iter::<&RawValue>();
        let header = values.next().ok_or(UnreadableJournal::Unknown("no beginning"))?;
        let header: Header = read(header.map_err(UnreadableJournal::Json)?.get())?;
        if header.version != VERSION {
            return Err(UnreadableJournal::Unknown("another version"));
        }
        let mut journal = Self::new(ids, max_frame);
        journal.start = start;
        journal.first_seq = header.first_seq;
        journal.next_seq = header.first_seq;
        for value in values {
            journal.push_line(value.map_err(UnreadableJournal::Json)?.get())?;
        }
        Ok(journal)
    }

    /// The lines of the newest frames that are within the bound.
    fn lines(&self) -> String {
        let mut first_seq = self.first_seq;
        let mut over = self.bytes;
        let mut left_out = 0;
        for entry in &self.entries {
            if over <= MAX_JOURNAL {
                break;
            }
            over -= entry.weight();
            first_seq = entry.last_seq + 1;
            left_out += 1;
        }
        let mut lines = String::with_capacity(over);
        push_line(&mut lines, &Header { version: VERSION, first_seq });
        let mut form: Option<&TextForm> = None;
        for Entry { last_seq, body } in self.entries.range(left_out..) {
            match body {
                Body::Text { form: own, content } => {
                    if form != Some(own) {
                        push_line(&mut lines, &[&*own.head, &*own.tail]);
                        form = Some(own);
                    }
                    // It is the inside of a JSON string already.
                    let _ = writeln!(lines, "[{last_seq},\"{content}\"]");
                }
                Body::Frame(json) => {
                    let _ = writeln!(lines, "[{last_seq},{json}]");
                }
                Body::Fragmented { json, ends } => {
                    let first_seq = last_seq + 1 - ends.len() as u64;
                    let ends: Vec<_> = ends.iter().map(usize::to_string).collect();
                    let _ = writeln!(lines, "[{first_seq},[{}],{json}]", ends.join(","));
                }
                Body::Keepalive(_) => {}
            }
        }
        lines
    }

    /// Reads what a line says.
    fn push_line(&mut self, line: &str) -> Result<(), UnreadableJournal> {
        let values: Vec<&RawValue> = read(line)?;
        let entry = match &values[..] {
            [head, tail] if head.get().starts_with('"') => {
                self.form = None;
                self.form_of(&read::<String>(head.get())?, &read::<String>(tail.get())?);
                return Ok(());
            }
            [seq, text] if text.get().starts_with('"') => {
                let form = self.form.clone();
                let form = form.ok_or(UnreadableJournal::Unknown("a text without its form"))?;
                // Without the quotation marks around it.
                let content = text.get().get(1..text.get().len() - 1).unwrap_or_default().into();
                Entry { last_seq: read(seq.get())?, body: Body::Text { form, content } }
            }
            [seq, frame] => {
                let body = Body::Frame(frame.get().into());
                Entry { last_seq: read(seq.get())?, body }
            }
            [seq, ends, frame] => {
                let (json, ends): (&str, Vec<usize>) = (frame.get(), read(ends.get())?);
                let in_order = ends.is_sorted_by(|one, next| one < next)
                    && ends.iter().all(|end| json.is_char_boundary(*end))
                    && ends.last() == Some(&json.len());
                if !in_order {
                    return Err(UnreadableJournal::Unknown("fragments that are none"));
                }
                let last_seq = read::<u64>(seq.get())?.saturating_add(ends.len() as u64 - 1);
                let body = Body::Fragmented { json: json.into(), ends: ends.into() };
                Entry { last_seq, body }
            }
            _ => return Err(UnreadableJournal::Unknown("a line")),
        };
        if entry.last_seq < self.next_seq || entry.last_seq == u64::MAX {
            return Err(UnreadableJournal::Unknown("frames out of order"));
        }
        self.next_seq = entry.last_seq + 1;
        self.push_entry(entry);
        Ok(())
    }
}

fn read<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, UnreadableJournal> {
    serde_json::from_str(json).map_err(UnreadableJournal::Json)
}

#[expect(clippy::expect_used, reason = "writing to memory does not fail, and there are no maps")]
fn push_line(lines: &mut String, value: &impl Serialize) {
    lines.push_str(&serde_json::to_string(value).expect("it can be serialised"));
    lines.push('\n');
}
