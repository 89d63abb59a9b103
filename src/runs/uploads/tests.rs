use std::collections::BTreeMap;

use super::*;

const ID: &str = "0b9f8c1e-6a47-4b52-9a3e-d4f0e1c2b3a4";

struct Kept(BTreeMap<usize, Piece>);

impl Pieces for Kept {
    async fn piece(&self, _: &UploadAddress, index: usize) -> Result<Option<Piece>, RunsError> {
        Ok(self.0.get(&index).cloned())
    }
}

/// A file of 25 bytes in three pieces.
fn kept() -> Kept {
    let piece = |index| Piece {
        index,
        count: 3,
        size: 25,
        data: vec![b'a' + u8::try_from(index).unwrap(); if index == 2 { 5 } else { 10 }],
    };
    Kept((0..3).map(|index| (index, piece(index))).collect())
}

async fn read_all(kept: &Kept, most: usize) -> Result<Vec<u8>, UploadError> {
    read(kept, &UploadAddress::new(None, ID).unwrap(), most).await
}

#[tokio::test]
async fn a_file_is_its_pieces_in_their_order() {
    assert_eq!(read_all(&kept(), 25).await.unwrap(), b"aaaaaaaaaabbbbbbbbbbccccc");
}

#[tokio::test]
async fn what_is_not_one_whole_file_is_none() {
    let changed = |change: fn(&mut BTreeMap<usize, Piece>)| {
        let mut kept = kept();
        change(&mut kept.0);
        kept
    };
    let missing = changed(|pieces| drop(pieces.remove(&0)));
    assert!(matches!(read_all(&missing, 25).await, Err(UploadError::NoSuchUpload)));
    let missing = changed(|pieces| drop(pieces.remove(&1)));
    let error = read_all(&missing, 25).await.unwrap_err();
    assert!(matches!(error, UploadError::Incomplete { index: 1, count: 3 }), "{error}");
    assert!(matches!(read_all(&kept(), 24).await, Err(UploadError::TooLarge(25))));
    let mixed: [fn(&mut BTreeMap<usize, Piece>); 4] = [
        |pieces| pieces.get_mut(&1).unwrap().size = 24,
        |pieces| pieces.get_mut(&2).unwrap().count = 4,
        |pieces| pieces.get_mut(&1).unwrap().data.truncate(9),
        |pieces| pieces.get_mut(&2).unwrap().data.push(b'd'),
    ];
    for change in mixed {
        assert!(matches!(read_all(&changed(change), 25).await, Err(UploadError::Mixed)));
    }
}

#[test]
fn nobody_can_name_anything_else_by_the_id_of_an_upload() {
    for id in [
        "",
        "short",
        "../../../../../../../../../../conversation",
        &"a/".repeat(20),
        &"a".repeat(65),
    ] {
        assert_eq!(UploadAddress::new(None, id), None, "{id}");
    }
    let nobody = UploadAddress::new(None, ID).unwrap();
    let user = UploadAddress::new(Some("AAAAAAAAAAAAAAAA"), ID).unwrap();
    assert_ne!(nobody, user);
    assert!(nobody.of_piece(0).session_id.starts_with("/upload/-/"));
    assert!(user.of_piece(0).session_id.starts_with("/upload/AAAAAAAAAAAAAAAA/"));
    assert_ne!(user.of_piece(1).session_id, user.of_piece(11).session_id);
    assert!(!format!("{user:?}").contains(ID));
}
