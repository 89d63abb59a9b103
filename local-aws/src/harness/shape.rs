//! Checks of JSON against the shapes of a service's model.
//!
//! The words are those of AWS's services. What is sensitive in the model is not quoted.

use std::ops::RangeInclusive;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use regex_lite::Regex;
use serde_json::Value;

use super::exception::Refusal;

/// How many problems are told.
const MAX_PROBLEMS: usize = 10;

/// What a value must be.
#[derive(Debug)]
pub(crate) enum Shape {
    /// A text of so many characters that fits a pattern as a whole.
    Text { length: RangeInclusive<usize>, pattern: Option<&'static str> },
    /// The same, whose value is never quoted.
    SensitiveText { length: RangeInclusive<usize>, pattern: Option<&'static str> },
    /// One of these texts.
    Enum(&'static [&'static str]),
    /// A whole number within bounds.
    Integer(RangeInclusive<i64>),
    /// A number within bounds.
    Float(RangeInclusive<f64>),
    /// Bytes in base64.
    Blob,
    /// Any JSON.
    Document,
    /// A list of one shape, of any length.
    List(&'static Shape),
    /// An object of any keys.
    Map(&'static Shape),
    /// An object; what else it has is ignored.
    Structure(&'static [Member]),
    /// An object of exactly one of these.
    Union(&'static [Member]),
}

/// A member of a structure or of a union.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) name: &'static str,
    pub(crate) required: bool,
    pub(crate) shape: &'static Shape,
}

/// A member that may be absent.
pub(super) const fn optional(name: &'static str, shape: &'static Shape) -> Member {
    Member { name, required: false, shape }
}

/// A member that must be there.
pub(super) const fn required(name: &'static str, shape: &'static Shape) -> Member {
    Member { name, required: true, shape }
}

/// Checks a value.
///
/// # Errors
/// When it has not the shape: the validation exception that says where and why.
pub(crate) fn check(value: &Value, shape: &Shape) -> Result<(), Refusal> {
    let mut problems = Problems::default();
    problems.check("", value, shape);
    problems.into_result()
}

/// Checks the text of a header or of a part of the address.
///
/// # Errors
/// As [`check`].
pub(crate) fn check_text(name: &str, text: Option<&str>, shape: &Shape) -> Result<(), Refusal> {
    let mut problems = Problems::default();
    match text {
        Some(text) => problems.check(name, &Value::from(text), shape),
        None => problems.add(name, None, "Member must not be null"),
    }
    problems.into_result()
}

/// Whether a text fits a pattern as a whole.
pub(crate) fn fits(text: &str, pattern: &str) -> bool {
    let whole = Regex::new(&format!(r"\A(?:{pattern})\z"));
    debug_assert!(whole.is_ok(), "{whole:?}");
    whole.is_ok_and(|whole| whole.is_match(text))
}

#[derive(Default)]
struct Problems {
    found: Vec<(String, String)>,
    unreadable: bool,
}

impl Problems {
    fn check(&mut self, at: &str, value: &Value, shape: &Shape) {
        match (shape, value) {
            (Shape::Document, _) => {}
            (Shape::Text { length, pattern }, Value::String(text)) => {
                self.text(at, text, length, *pattern, Some(text));
            }
            (Shape::SensitiveText { length, pattern }, Value::String(text)) => {
                self.text(at, text, length, *pattern, None);
            }
            (Shape::Enum(names), Value::String(text)) => {
                if !names.contains(&text.as_str()) {
                    let names = names.join(", ");
                    self.add(
                        at,
                        Some(text),
                        &format!("Member must satisfy enum value set: [{names}]"),
                    );
                }
            }
            (Shape::Integer(range), Value::Number(number)) => match number.as_i64() {
                Some(number) if range.contains(&number) => {}
                Some(number) => {
                    let (least, most) = (range.start(), range.end());
                    let constraint = if number < *least {
                        format!("Member must have value greater than or equal to {least}")
                    } else {
                        format!("Member must have value less than or equal to {most}")
                    };
                    self.add(at, Some(&number.to_string()), &constraint);
                }
                None => self.wrong_type(at, "an integer"),
            },
            (Shape::Float(range), Value::Number(number)) => {
                if !number.as_f64().is_some_and(|number| range.contains(&number)) {
                    let (least, most) = (range.start(), range.end());
                    let constraint = format!("Member must have value from {least} to {most}");
                    self.add(at, Some(&number.to_string()), &constraint);
                }
            }
            (Shape::Blob, Value::String(text)) => {
                if STANDARD.decode(text).is_err() {
                    self.wrong_type(at, "base64");
                }
            }
            (Shape::List(shape), Value::Array(values)) => {
                for (value, number) in values.iter().zip(1..) {
                    let at = format!("{at}.{number}.member");
                    match value {
                        Value::Null => self.add(&at, None, "Member must not be null"),
                        value => self.check(&at, value, shape),
                    }
                }
            }
            (Shape::Map(shape), Value::Object(values)) => {
                for (key, value) in values {
                    self.check(&format!("{at}.{key}.value"), value, shape);
                }
            }
            (Shape::Structure(members), Value::Object(values)) => {
                for member in *members {
                    let at = path(at, member.name);
                    match values.get(member.name) {
                        Some(Value::Null) | None if member.required => {
                            self.add(&at, None, "Member must not be null");
                        }
                        Some(Value::Null) | None => {}
                        Some(value) => self.check(&at, value, member.shape),
                    }
                }
            }
            (Shape::Union(members), Value::Object(values)) => {
                let mut present = values.iter().filter(|(_, value)| !value.is_null());
                let known = match (present.next(), present.next()) {
                    (Some((name, value)), None) => {
                        let member = members.iter().find(|member| member.name == name);
                        member.map(|member| (member, value))
                    }
                    _ => None,
                };
                if let Some((member, value)) = known {
                    return self.check(&path(at, member.name), value, member.shape);
                }
                let names: Vec<&str> = members.iter().map(|member| member.name).collect();
                let names = names.join(", ");
                self.add(at, None, &format!("Member must have exactly one of [{names}]"));
            }
            (
                Shape::Text { .. } | Shape::SensitiveText { .. } | Shape::Enum(_) | Shape::Blob,
                _,
            ) => {
                self.wrong_type(at, "a string");
            }
            (Shape::Integer(_) | Shape::Float(_), _) => self.wrong_type(at, "a number"),
            (Shape::List(_), _) => self.wrong_type(at, "a list"),
            (Shape::Map(_) | Shape::Structure(_) | Shape::Union(_), _) => {
                self.wrong_type(at, "an object");
            }
        }
    }

    fn text(
        &mut self,
        at: &str,
        text: &str,
        length: &RangeInclusive<usize>,
        pattern: Option<&str>,
        quoted: Option<&str>,
    ) {
        let characters = text.chars().count();
        if characters < *length.start() {
            let least = length.start();
            let constraint = format!("Member must have length greater than or equal to {least}");
            self.add(at, quoted, &constraint);
        } else if characters > *length.end() {
            let most = length.end();
            self.add(at, quoted, &format!("Member must have length less than or equal to {most}"));
        }
        if let Some(pattern) = pattern
            && !fits(text, pattern)
        {
            let constraint = format!("Member must satisfy regular expression pattern: {pattern}");
            self.add(at, quoted, &constraint);
        }
    }

    fn add(&mut self, at: &str, quoted: Option<&str>, must: &str) {
        let value = quoted.map_or_else(String::new, |text| {
            format!(" '{}'", text.chars().take(120).collect::<String>())
        });
        let message = format!("Value{value} at '{at}' failed to satisfy constraint: {must}");
        self.found.push((at.to_owned(), message));
    }

    fn wrong_type(&mut self, at: &str, what: &str) {
        self.unreadable = true;
        self.found.push((at.to_owned(), format!("'{at}' must be {what}")));
    }

    fn into_result(mut self) -> Result<(), Refusal> {
        if self.found.is_empty() {
            return Ok(());
        }
        let count = self.found.len();
        self.found.truncate(MAX_PROBLEMS);
        let messages: Vec<&str> = self.found.iter().map(|(_, message)| &**message).collect();
        let errors = if count == 1 { "error" } else { "errors" };
        let message = format!("{count} validation {errors} detected: {}", messages.join("; "));
        Err(Refusal {
            unreadable: self.unreadable,
            fields: self.found,
            ..Refusal::invalid(message)
        })
    }
}

fn path(at: &str, name: &str) -> String {
    if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") }
}
