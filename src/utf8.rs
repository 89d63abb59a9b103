//! Bytes that were cut anywhere ⇒ text.

/// Decodes UTF-8 that arrives in pieces. A character that is cut by the end of a piece is carried
/// over to the next; only bytes that can't become a character are replaced, by U+FFFD.
#[derive(Debug, Default)]
pub(crate) struct Utf8 {
    /// The beginning of a character, at most three bytes.
    carried: Vec<u8>,
    /// How many times U+FFFD stands for bytes that were no text.
    replaced: u64,
}

impl Utf8 {
    /// The text that is complete with `bytes`.
    pub(crate) fn decode(&mut self, bytes: &[u8]) -> String {
        if self.carried.is_empty() {
            return self.take(bytes);
        }
        let mut joined = std::mem::take(&mut self.carried);
        joined.extend_from_slice(bytes);
        self.take(&joined)
    }

    /// What is left at the end: nothing, or U+FFFD for a character that was never completed.
    pub(crate) fn finish(&mut self) -> &'static str {
        if self.carried.is_empty() {
            return "";
        }
        self.carried.clear();
        self.replaced += 1;
        "\u{fffd}"
    }

    /// How many times U+FFFD was put in for bytes that were no text.
    #[must_use]
    pub(crate) fn replaced(&self) -> u64 {
        self.replaced
    }

    fn take(&mut self, bytes: &[u8]) -> String {
        let mut text = String::with_capacity(bytes.len());
        let mut chunks = bytes.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            text.push_str(chunk.valid());
            let invalid = chunk.invalid();
            if invalid.is_empty() {
                continue;
            }
            if chunks.peek().is_none() && may_become_a_character(invalid) {
                self.carried.extend_from_slice(invalid);
            } else {
                text.push('\u{fffd}');
                self.replaced += 1;
            }
        }
        text
    }
}

/// True for a proper beginning of a character: more bytes could complete it.
fn may_become_a_character(bytes: &[u8]) -> bool {
    matches!(std::str::from_utf8(bytes), Err(error) if error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Decodes `bytes` in pieces that end at `cuts` (positions modulo the length).
    fn in_pieces(bytes: &[u8], cuts: &[usize]) -> (String, u64) {
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
        ends.push(bytes.len());
        ends.sort_unstable();
        let (mut utf8, mut text, mut start) = (Utf8::default(), String::new(), 0);
        for end in ends {
            text.push_str(&utf8.decode(&bytes[start..end]));
            start = end;
        }
        text.push_str(utf8.finish());
        (text, utf8.replaced())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn text_survives_any_cut(text in "\\PC{0,40}", cuts in prop::collection::vec(any::<usize>(), 0..60)) {
            prop_assert_eq!(in_pieces(text.as_bytes(), &cuts), (text, 0));
        }

        #[test]
        fn any_bytes_become_what_the_standard_library_makes_of_the_whole(
            bytes in prop::collection::vec(any::<u8>(), 0..60),
            cuts in prop::collection::vec(any::<usize>(), 0..60),
        ) {
            prop_assert_eq!(in_pieces(&bytes, &cuts).0, String::from_utf8_lossy(&bytes));
        }
    }

    #[test]
    fn a_stray_byte_at_the_end_is_replaced_and_counted() {
        assert_eq!(in_pieces(b"caf\xc3", &[]), ("caf\u{fffd}".to_owned(), 1));
        assert_eq!(in_pieces("😀".as_bytes(), &[1, 2, 3]), ("😀".to_owned(), 0));
    }
}
