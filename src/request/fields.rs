//! The fields of a JSON object, read with errors that name the field and what it should be.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Names and values, both strings.
pub type Attributes = BTreeMap<String, String>;

/// A JSON object and where it stands in the message. A field that is null counts as absent.
#[derive(Debug)]
pub struct Fields<'a> {
    object: Option<&'a Map<String, Value>>,
    place: String,
}

impl<'a> Fields<'a> {
    /// The message itself.
    pub(crate) fn new(object: &'a Map<String, Value>) -> Self {
        Self { object: Some(object), place: String::new() }
    }

    /// Where this object stands, as in `messages[0]`.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    /// The full name of a field, as in `forwardedProps.trace`.
    pub(crate) fn path(&self, name: &str) -> String {
        if self.place.is_empty() { name.to_owned() } else { format!("{}.{name}", self.place) }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&'a Value> {
        self.object?.get(name).filter(|value| !value.is_null())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Refuses a field that is not among `known`: most likely a misspelt one, which would
    /// otherwise be lost unnoticed.
    pub(crate) fn only(&self, known: &[&str]) -> Result<(), String> {
        let unknown = self
            .object
            .and_then(|object| object.keys().find(|name| !known.contains(&name.as_str())));
        match unknown {
            None => Ok(()),
            Some(name) => Err(format!(
                "`{}` is not a field of the short form, which has {}.",
                self.path(&short(name)),
                known.join(", ")
            )),
        }
    }

    pub(crate) fn text(&self, name: &str) -> Result<Option<&'a str>, String> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong(name, "a string", other)),
        }
    }

    pub(crate) fn required_text(&self, name: &str) -> Result<&'a str, String> {
        self.text(name)?.ok_or_else(|| self.missing(name, "a string"))
    }

    pub(crate) fn flag(&self, name: &str) -> Result<bool, String> {
        match self.get(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(self.wrong(name, "true or false", other)),
        }
    }

    pub(crate) fn optional_flag(&self, name: &str) -> Result<Option<bool>, String> {
        if self.has(name) { self.flag(name).map(Some) } else { Ok(None) }
    }

    /// A list of objects; `None` when it is absent.
    pub(crate) fn objects(&self, name: &str) -> Result<Option<Vec<Fields<'a>>>, String> {
        let list = match self.get(name) {
            None => return Ok(None),
            Some(Value::Array(list)) => list,
            Some(other) => return Err(self.wrong(name, "a list", other)),
        };
        let place = |index| format!("{}[{index}]", self.path(name));
        list.iter()
            .enumerate()
            .map(|(index, value)| match value {
                Value::Object(object) => Ok(Fields { object: Some(object), place: place(index) }),
                other => Err(format!("`{}` must be an object, not {}.", place(index), kind(other))),
            })
            .collect::<Result<_, _>>()
            .map(Some)
    }

    /// An object; without any fields when it is absent.
    pub(crate) fn object(&self, name: &str) -> Result<Fields<'a>, String> {
        let object = match self.get(name) {
            None => None,
            Some(Value::Object(object)) => Some(object),
            Some(other) => return Err(self.wrong(name, "an object", other)),
        };
        Ok(Fields { object, place: self.path(name) })
    }

    /// An object of strings; empty when it is absent.
    pub(crate) fn attributes(&self, name: &str) -> Result<Attributes, String> {
        let fields = self.object(name)?;
        fields
            .object
            .into_iter()
            .flatten()
            .map(|(key, value)| match value {
                Value::String(text) => Ok((key.clone(), text.clone())),
                other => Err(fields.wrong(&short(key), "a string", other)),
            })
            .collect()
    }

    fn wrong(&self, name: &str, right: &str, value: &Value) -> String {
        format!("`{}` must be {right}, not {}.", self.path(name), kind(value))
    }

    pub(crate) fn missing(&self, name: &str, right: &str) -> String {
        format!("`{}` is missing; it must be {right}.", self.path(name))
    }
}

/// A client's own words, short enough for an error.
pub(crate) fn short(words: &str) -> String {
    const MAX_CHARS: usize = 40;
    match words.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words.to_owned(),
    }
}

/// What a JSON value is, in words.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
