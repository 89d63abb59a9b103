//! The prelude of a streamed response: the JSON of its status and headers, which eight NUL bytes end.
//!
//! Source: the page "Set up a Lambda proxy integration with payload response streaming in API Gateway".

use bytes::Bytes;

use crate::proxy_response::ProxyResponse;

/// What ends a prelude. No JSON has such a byte in it.
const DELIMITER: [u8; 8] = [0; 8];

/// The delimiter must have come within this many bytes.
const MAX_BYTES: usize = 16 * 1024;

/// Reads a prelude that comes in pieces, wherever these are cut.
#[derive(Debug, Default)]
pub(crate) struct PreludeReader {
    bytes: Vec<u8>,
}

/// Why what has come is no prelude.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PreludeError {
    #[error("eight NUL bytes are not among the first 16384 of the response")]
    TooLong,
    #[error("what comes before the eight NUL bytes of the response is no JSON with a statusCode")]
    Malformed,
}

impl PreludeReader {
    /// Takes the next piece of a response. When the prelude is whole, it returns that, and the rest of the
    /// piece, which belongs to the body.
    pub(crate) fn push(
        &mut self,
        piece: &Bytes,
    ) -> Result<Option<(ProxyResponse, Bytes)>, PreludeError> {
        let before = self.bytes.len();
        let room = MAX_BYTES - before;
        self.bytes.extend_from_slice(&piece[..piece.len().min(room)]);
        // The delimiter may have begun in the pieces before, but not ended.
        let searched = before.saturating_sub(DELIMITER.len() - 1);
        let windows = self.bytes[searched..].windows(DELIMITER.len());
        let Some(end) = { windows }.position(|window| window == DELIMITER) else {
            let full = self.bytes.len() == MAX_BYTES;
            return if full { Err(PreludeError::TooLong) } else { Ok(None) };
        };
        let end = searched + end;
        let response = ProxyResponse::parse(&self.bytes[..end]).ok_or(PreludeError::Malformed)?;
        let body = piece.slice(end + DELIMITER.len() - before..);
        Ok(Some((response, body)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESPONSE: &[u8] =
        b"{\"statusCode\":201,\"headers\":{\"a\":\"b\"},\"cookies\":[\"c=d\"]}\0\0\0\0\0\0\0\0\0body";

    #[test]
    fn a_prelude_is_found_wherever_it_is_cut() {
        for first in 0..RESPONSE.len() {
            let mut reader = PreludeReader::default();
            let (head, tail) = RESPONSE.split_at(first);
            let mut body = Vec::new();
            let mut status = None;
            for piece in [head, tail].map(Bytes::copy_from_slice) {
                if status.is_some() {
                    body.extend_from_slice(&piece);
                } else if let Some((response, rest)) = reader.push(&piece).unwrap() {
                    status = Some(response.status);
                    body.extend_from_slice(&rest);
                }
            }
            assert_eq!((status, &body[..]), (Some(201), &b"\0body"[..]), "cut at {first}");
        }
    }

    #[test]
    fn a_prelude_comes_byte_by_byte() {
        let mut reader = PreludeReader::default();
        let mut pieces = RESPONSE.iter().map(|byte| Bytes::copy_from_slice(&[*byte]));
        let (response, rest) = pieces.find_map(|piece| reader.push(&piece).unwrap()).unwrap();
        assert_eq!(response.header("set-cookie"), Some("c=d"));
        assert!(rest.is_empty());
        assert_eq!(pieces.count(), 5, "a NUL that belongs to the body, and the rest of it");
    }

    #[test]
    fn a_prelude_has_a_status_and_an_end() {
        let push = |bytes: &[u8]| {
            let mut reader = PreludeReader::default();
            reader.push(&Bytes::copy_from_slice(bytes)).map(|found| found.is_some())
        };
        assert_eq!(push(b"{}\0\0\0\0\0\0\0\0"), Err(PreludeError::Malformed));
        assert_eq!(push(b"\0\0\0\0\0\0\0\0"), Err(PreludeError::Malformed));
        assert_eq!(push(b"{\"statusCode\":200}\0\0\0\0\0\0\0"), Ok(false));
        let long = |length: usize| {
            let mut bytes = b"{\"statusCode\":200,\"x\":\"".to_vec();
            bytes.resize(length - 10, b'x');
            bytes.extend_from_slice(b"\"}\0\0\0\0\0\0\0\0");
            bytes
        };
        assert_eq!(push(&long(MAX_BYTES)), Ok(true));
        assert_eq!(push(&long(MAX_BYTES + 1)), Err(PreludeError::TooLong));
        assert_eq!(push(&vec![b' '; 100_000]), Err(PreludeError::TooLong));
    }
}
