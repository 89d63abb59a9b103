//! Text made small for a table, and made whole again.

use std::cell::RefCell;
use std::io::{self, Read as _, Write as _};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use thiserror::Error;

/// Why there is no text.
#[derive(Debug, Error)]
pub enum InflateError {
    /// It is not deflated text, or a part of it is missing.
    #[error("it is no deflated text")]
    NotDeflated(#[source] io::Error),
    /// It is larger than it may be.
    #[error("it has more than {0} bytes")]
    TooLarge(u64),
}

thread_local! {
    /// What deflates: a third of a megabyte, which takes several times as long to have as the text of a usual
    /// answer takes to be deflated.
    static ENCODER: RefCell<DeflateEncoder<Vec<u8>>> =
        RefCell::new(DeflateEncoder::new(Vec::new(), Compression::default()));
}

/// The deflated text (RFC 1951).
#[must_use]
#[expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "writing to memory does not fail"
)]
pub fn deflate(text: &str) -> Vec<u8> {
    ENCODER.with_borrow_mut(|encoder| {
        encoder.write_all(text.as_bytes()).expect("memory can be written");
        // It ends here, and the next begins anew.
        encoder.reset(Vec::new()).expect("memory can be written")
    })
}

/// The text again, if it has at most so many bytes.
///
/// # Errors
/// It has more, or is none.
pub fn inflate(deflated: &[u8], most: u64) -> Result<String, InflateError> {
    let mut text = String::new();
    // A text that is cut short here may end within a character, so it is looked at as bytes first.
    let mut bytes = Vec::new();
    let mut decoder = DeflateDecoder::new(deflated).take(most + 1);
    decoder.read_to_end(&mut bytes).map_err(InflateError::NotDeflated)?;
    if bytes.len() as u64 > most {
        return Err(InflateError::TooLarge(most));
    }
    (&*bytes).read_to_string(&mut text).map_err(InflateError::NotDeflated)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_comes_back_and_nothing_else_does() {
        let text = "Zürich 😀 ".repeat(1000);
        let deflated = deflate(&text);
        // Nothing of one is in the next.
        assert_eq!(deflate(&text), deflated);
        assert!(deflated.len() < text.len() / 10);
        assert_eq!(inflate(&deflated, text.len() as u64).unwrap(), text);
        let error = inflate(&deflated, text.len() as u64 - 2).unwrap_err();
        assert!(matches!(error, InflateError::TooLarge(_)), "{error}");
        for broken in [&deflated[..deflated.len() / 2], b"hello", &[]] {
            let error = inflate(broken, 1 << 20).unwrap_err();
            assert!(matches!(error, InflateError::NotDeflated(_)), "{error}");
        }
    }
}
