//! The folder whose timelines `/play` may read.
//!
//! A prompt comes from any client that may connect to this machine, so it names files of one folder and
//! below only, of one kind and size, and no message has anything of what is in them.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Component, Path, PathBuf};

/// The largest file that is read, and the largest one that is recorded.
pub(crate) const MAX_FILE_BYTES: u64 = 32 * 1024 * 1024;

/// What the name of a timeline ends with.
const EXTENSION: &str = "jsonl";

/// The text of a timeline.
///
/// # Errors
/// When there is no such file that may be read: why, as a sentence.
pub(crate) fn read(folder: Option<&Path>, name: &str) -> Result<String, String> {
    let folder = folder.ok_or("This local AWS was given no folder of timelines.")?;
    let path = resolve(folder, Path::new(name))?;
    let unreadable = |_| "The file cannot be read.".to_owned();
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(format!("The file has more than {MAX_FILE_BYTES} bytes."));
    }
    String::from_utf8(bytes).map_err(|_| "The file is not UTF-8 text.".to_owned())
}

/// Where the file is, if it may be read.
fn resolve(folder: &Path, name: &Path) -> Result<PathBuf, String> {
    let is_plain = |part| matches!(part, Component::Normal(_) | Component::CurDir);
    if !name.components().all(is_plain) {
        return Err("The file must be in the folder of the timelines or below it.".to_owned());
    }
    if name.extension().is_none_or(|extension| extension != EXTENSION) {
        return Err(format!("The name of a timeline ends with `.{EXTENSION}`."));
    }
    let absent = |_| {
        "There is no such file in the folder of the timelines: where this program was started, \
         or what `--timelines` names."
            .to_owned()
    };
    let folder = fs::canonicalize(folder).map_err(absent)?;
    let path = fs::canonicalize(folder.join(name)).map_err(absent)?;
    // A link may lead anywhere, to a file of another kind as well.
    if !path.starts_with(&folder) || path.extension().is_none_or(|found| found != EXTENSION) {
        return Err("The file must be in the folder of the timelines or below it.".to_owned());
    }
    if !path.is_file() {
        return Err("This is no file.".to_owned());
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_timelines_of_the_folder_and_below_are_read() {
        let root = std::env::temp_dir().join(format!("timelines-{}", std::process::id()));
        let folder = root.join("folder");
        fs::create_dir_all(folder.join("below/folder.jsonl")).unwrap();
        for name in ["secret.jsonl", "folder/good.jsonl", "folder/below/good.jsonl", "folder/a.txt"]
        {
            fs::write(root.join(name), name).unwrap();
        }
        symlink(root.join("secret.jsonl"), folder.join("out.jsonl")).unwrap();
        symlink(&root, folder.join("up")).unwrap();
        symlink(folder.join("a.txt"), folder.join("text.jsonl")).unwrap();
        symlink(folder.join("good.jsonl"), folder.join("in.jsonl")).unwrap();
        fs::write(folder.join("bytes.jsonl"), [0xff]).unwrap();
        File::create(folder.join("large.jsonl")).unwrap().set_len(MAX_FILE_BYTES + 1).unwrap();

        for name in ["good.jsonl", "./good.jsonl", "below/good.jsonl", "in.jsonl"] {
            assert!(read(Some(&folder), name).is_ok(), "{name}");
        }
        let secret = root.join("secret.jsonl");
        let cases = [
            ("../secret.jsonl", "in the folder of the timelines"),
            ("below/../../secret.jsonl", "in the folder of the timelines"),
            (secret.to_str().unwrap(), "in the folder of the timelines"),
            ("out.jsonl", "in the folder of the timelines"),
            ("up/secret.jsonl", "in the folder of the timelines"),
            ("text.jsonl", "in the folder of the timelines"),
            ("a.txt", "ends with `.jsonl`"),
            ("below", "ends with `.jsonl`"),
            (".jsonl", "ends with `.jsonl`"),
            ("", "ends with `.jsonl`"),
            ("nothing.jsonl", "no such file"),
            ("good.jsonl\0", "ends with `.jsonl`"),
            ("below/folder.jsonl", "no file"),
            ("bytes.jsonl", "not UTF-8"),
            ("large.jsonl", "more than"),
        ];
        for (name, reason) in cases {
            let problem = read(Some(&folder), name).unwrap_err();
            assert!(problem.contains(reason), "{name}: {problem}");
        }
        assert!(read(None, "good.jsonl").unwrap_err().contains("no folder"));
        fs::remove_dir_all(root).unwrap();
    }
}
