//! The fields of a JSON object, read with errors that name the field and what it should be.
//!
//! What nobody reads is only carried along, and may be anything.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::json::Object;

/// Names and values, both strings.
pub type Attributes = BTreeMap<String, String>;

/// A JSON object and where it stands in the message. A field that is null counts as absent.
#[derive(Debug)]
pub struct Fields<'a> {
    object: Option<Object<'a>>,
    place: String,
}

/// A value in a list, which was not looked at yet, and where it stands in the message.
#[derive(Debug)]
pub(crate) struct Item<'a> {
    json: &'a RawValue,
    place: String,
}

impl<'a> Item<'a> {
    /// The value, as it came.
    pub(crate) fn json(&self) -> &'a RawValue {
        self.json
    }

    /// The value, which must be an object.
    pub(crate) fn fields(&self) -> Result<Fields<'a>, String> {
        let Self { json, place } = self;
        let object = Object::parse(json.get())
            .ok_or_else(|| format!("`{place}` must be an object, not {}.", kind(json)))?;
        Ok(Fields { object: Some(object), place: place.clone() })
    }
}

impl<'a> Fields<'a> {
    /// The message itself.
    pub(crate) fn new(object: Object<'a>) -> Self {
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

    fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.object.as_ref()?.get(name)
    }

    /// The value of a field, as it came.
    pub(crate) fn json(&self, name: &str) -> Option<&'a RawValue> {
        self.get(name)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Whether a field is a list, and not an empty one.
    pub(crate) fn has_items(&self, name: &str) -> bool {
        self.items(name).is_ok_and(|items| items.is_some_and(|items| !items.is_empty()))
    }

    /// Whether a field is a list.
    pub(crate) fn is_list(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.get().starts_with('['))
    }

    /// Refuses a field that is not among `known`: most likely a misspelt one, which would
    /// otherwise be lost unnoticed.
    pub(crate) fn only(&self, known: &[&str]) -> Result<(), String> {
        let mut names = self.object.iter().flat_map(Object::members).map(|(name, _)| name);
        match names.find(|name| !known.contains(name)) {
            None => Ok(()),
            Some(name) => Err(format!(
                "`{}` is not a field of the short form, which has {}.",
                self.path(&short(name)),
                known.join(", ")
            )),
        }
    }

    pub(crate) fn text(&self, name: &str) -> Result<Option<String>, String> {
        self.get(name).map(|value| self.text_in(name, value)).transpose()
    }

    pub(crate) fn required_text(&self, name: &str) -> Result<String, String> {
        self.text(name)?.ok_or_else(|| self.missing(name, "a string"))
    }

    pub(crate) fn flag(&self, name: &str) -> Result<bool, String> {
        Ok(self.optional_flag(name)?.unwrap_or(false))
    }

    pub(crate) fn optional_flag(&self, name: &str) -> Result<Option<bool>, String> {
        match self.get(name).map(|value| (value, value.get())) {
            None => Ok(None),
            Some((_, "true")) => Ok(Some(true)),
            Some((_, "false")) => Ok(Some(false)),
            Some((other, _)) => Err(self.wrong(name, "true or false", other)),
        }
    }

    /// A whole number that is at least so large.
    pub(crate) fn integer(&self, name: &str, least: i64) -> Result<Option<i64>, String> {
        let Some(value) = self.get(name) else { return Ok(None) };
        match value.get().parse() {
            Ok(number) if number >= least => Ok(Some(number)),
            _ => Err(format!("`{}` must be a whole number from {least} on.", self.path(name))),
        }
    }

    /// A list of whatever is in it; `None` when it is absent.
    pub(crate) fn items(&self, name: &str) -> Result<Option<Vec<Item<'a>>>, String> {
        let Some(list) = self.get(name) else { return Ok(None) };
        let Ok(values) = serde_json::from_str::<Vec<&RawValue>>(list.get()) else {
            return Err(self.wrong(name, "a list", list));
        };
        let place = |index| format!("{}[{index}]", self.path(name));
        let item = |(index, json)| Item { json, place: place(index) };
        Ok(Some(values.into_iter().enumerate().map(item).collect()))
    }

    /// A list of objects; empty when it is absent.
    pub(crate) fn objects(&self, name: &str) -> Result<Vec<Fields<'a>>, String> {
        self.items(name)?.unwrap_or_default().iter().map(Item::fields).collect()
    }

    /// An object; without any fields when it is absent.
    pub(crate) fn object(&self, name: &str) -> Result<Fields<'a>, String> {
        let object = match self.get(name) {
            None => None,
            Some(value) => {
                let object = Object::parse(value.get());
                Some(object.ok_or_else(|| self.wrong(name, "an object", value))?)
            }
        };
        Ok(Fields { object, place: self.path(name) })
    }

    /// An object of strings; empty when it is absent.
    pub(crate) fn attributes(&self, name: &str) -> Result<Attributes, String> {
        let fields = self.object(name)?;
        let members = fields.object.iter().flat_map(Object::members);
        let attribute = |(name, value): (&str, &RawValue)| {
            // What was no character in it is one that stands for none by now.
            if name.contains('\u{fffd}') {
                return Err(format!(
                    "`{}` has a name with an escape that stands for no character.",
                    fields.place
                ));
            }
            let text = fields.text_in(&short(name), value)?;
            Ok((name.to_owned(), text))
        };
        members.map(attribute).collect()
    }

    /// The text in the value of a field.
    fn text_in(&self, name: &str, value: &RawValue) -> Result<String, String> {
        if !value.get().starts_with('"') {
            return Err(self.wrong(name, "a string", value));
        }
        serde_json::from_str(value.get()).map_err(|_| {
            format!(
                "`{}` has an escape that stands for no character, such as one half of a surrogate pair.",
                self.path(name)
            )
        })
    }

    fn wrong(&self, name: &str, right: &str, value: &RawValue) -> String {
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
pub(crate) fn kind(value: &RawValue) -> &'static str {
    match value.get().bytes().next() {
        Some(b'n') => "null",
        Some(b't' | b'f') => "true or false",
        Some(b'"') => "a string",
        Some(b'[') => "a list",
        Some(b'{') => "an object",
        _ => "a number",
    }
}
