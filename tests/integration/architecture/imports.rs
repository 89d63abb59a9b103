//! Which files of a tree of sources import which, read out of the text: enough of Rust and of
//! JavaScript for that, and no more. Comments, strings and what only tests see don't count.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Texts by the path of their file, from the root of the tree, with `/` between its parts.
pub(super) type Sources = BTreeMap<String, String>;

/// Which files each file imports.
pub(super) type Graph = BTreeMap<String, BTreeSet<String>>;

/// The files below a directory whose names end in `.EXTENSION`.
pub(super) fn read(directory: &Path, extension: &str) -> Sources {
    fn below(directory: &Path, name: &str, extension: &str, sources: &mut Sources) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = format!("{name}{}", path.file_name().unwrap().to_str().unwrap());
            if path.is_dir() {
                below(&path, &format!("{name}/"), extension, sources);
            } else if path.extension().is_some_and(|found| found == extension) {
                sources.insert(name, fs::read_to_string(path).unwrap());
            }
        }
    }
    let mut sources = Sources::new();
    below(directory, "", extension, &mut sources);
    assert!(!sources.is_empty(), "there is no source in {}", directory.display());
    sources
}

/// What one file of Rust names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Named {
    /// Files of the same tree.
    pub(super) files: BTreeSet<String>,
    /// Crates, and whatever else a path begins with that is no module of this tree.
    pub(super) crates: BTreeSet<String>,
}

/// What each file of a crate names, but for its tests.
pub(super) fn rust(sources: &Sources) -> BTreeMap<String, Named> {
    let is_test = |file: &str| file == "tests.rs" || file.ends_with("/tests.rs");
    let files: BTreeMap<Vec<String>, &String> =
        sources.keys().filter(|file| !is_test(file)).map(|file| (module(file), file)).collect();
    // The deepest module of a path has the item; what follows it is the item.
    let deepest = |path: &[String]| {
        let mut modules = (0..=path.len()).rev().map(|length| &path[..length]);
        modules.find_map(|module| files.get(module)).map(|file| (*file).clone())
    };
    let named = |(module, file): (&Vec<String>, &&String)| {
        let mut named = Named::default();
        for path in paths(&sources[*file], module) {
            match path {
                ItemPath::FromRoot(path) => named.files.extend(deepest(&path)),
                ItemPath::InScope { scope, path } => {
                    let whole = [&scope[..], &path[..]].concat();
                    if files.contains_key(&whole[..=scope.len()]) {
                        named.files.extend(deepest(&whole));
                    } else {
                        named.crates.insert(path[0].clone());
                    }
                }
            }
        }
        named.files.remove(*file);
        ((*file).clone(), named)
    };
    files.iter().map(named).collect()
}

/// The module that a file is.
fn module(file: &str) -> Vec<String> {
    let path = file.strip_suffix(".rs").unwrap_or(file);
    let path = path.strip_suffix("/mod").unwrap_or(path);
    // `main.rs` is a crate of its own, and nobody imports it.
    if path == "lib" {
        return Vec::new();
    }
    path.split('/').map(str::to_owned).collect()
}

/// A path in a file.
enum ItemPath {
    /// From the root of the crate.
    FromRoot(Vec<String>),
    /// As it stands there, in a module: to a child, to a crate, or to an item that has been imported.
    InScope { scope: Vec<String>, path: Vec<String> },
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Name(String),
    /// `::`
    Colons,
    Other(char),
}

use Token::{Colons, Name, Other};

/// All paths in a text, those of `use` with the rest.
fn paths(text: &str, module: &[String]) -> Vec<ItemPath> {
    let tokens = without_tests(&tokens(text));
    let mut paths = Vec::new();
    // The modules that are written inside the file, and in how many braces each stands.
    let mut inline: Vec<(String, usize)> = Vec::new();
    let mut depth = 0;
    let mut at = 0;
    while at < tokens.len() {
        let scope: Vec<String> =
            module.iter().chain(inline.iter().map(|(name, _)| name)).cloned().collect();
        match &tokens[at..] {
            [Name(word), Name(name), Other('{'), ..] if word == "mod" => {
                depth += 1;
                inline.push((name.clone(), depth));
                at += 3;
            }
            [Other('{'), ..] => {
                depth += 1;
                at += 1;
            }
            [Other('}'), ..] => {
                inline.pop_if(|(_, opened)| *opened == depth);
                depth = depth.saturating_sub(1);
                at += 1;
            }
            // `use<'a>` is a bound of a type.
            [Name(word), next, ..] if word == "use" && *next != Other('<') => {
                at += 1;
                let mut leaves = Vec::new();
                tree(&tokens, &mut at, &[], &mut leaves);
                paths.extend(leaves.into_iter().map(|path| resolve(path, &scope)));
            }
            [Name(_), Colons, Name(_), ..] => {
                let mut path = Vec::new();
                while let Some(Name(name)) = tokens.get(at) {
                    path.push(name.clone());
                    at += 1;
                    if !matches!(tokens.get(at..at + 2), Some([Colons, Name(_)])) {
                        break;
                    }
                    at += 1;
                }
                paths.push(resolve(path, &scope));
            }
            _ => at += 1,
        }
    }
    paths
}

/// Reads one tree of a `use`, which begins at `at`, and adds its leaves.
fn tree(tokens: &[Token], at: &mut usize, before: &[String], leaves: &mut Vec<Vec<String>>) {
    let mut path = before.to_vec();
    loop {
        match tokens.get(*at) {
            Some(Name(name)) if name == "as" => *at += 2,
            Some(Name(name)) => {
                // `self` at the end of a tree is the module itself.
                if name != "self" || path.is_empty() {
                    path.push(name.clone());
                }
                *at += 1;
            }
            Some(Colons | Other('*')) => *at += 1,
            Some(Other('{')) => {
                *at += 1;
                while !matches!(tokens.get(*at), Some(Other('}')) | None) {
                    tree(tokens, at, &path, leaves);
                    if tokens.get(*at) == Some(&Other(',')) {
                        *at += 1;
                    }
                }
                *at += 1;
                return;
            }
            _ => break,
        }
    }
    leaves.push(path);
}

fn resolve(path: Vec<String>, scope: &[String]) -> ItemPath {
    match path[0].as_str() {
        "crate" => ItemPath::FromRoot(path[1..].to_vec()),
        "self" => ItemPath::FromRoot(scope.iter().chain(&path[1..]).cloned().collect()),
        "super" => {
            let up = path.iter().take_while(|name| *name == "super").count();
            let scope = &scope[..scope.len().saturating_sub(up)];
            ItemPath::FromRoot(scope.iter().chain(&path[up..]).cloned().collect())
        }
        _ => ItemPath::InScope { scope: scope.to_vec(), path },
    }
}

/// Leaves out each item behind `#[cfg(test)]`.
fn without_tests(tokens: &[Token]) -> Vec<Token> {
    let name = |name: &str| Name(name.to_owned());
    let attribute =
        [Other('#'), Other('['), name("cfg"), Other('('), name("test"), Other(')'), Other(']')];
    let mut kept = Vec::new();
    let mut rest = tokens;
    while let [first, others @ ..] = rest {
        let Some(item) = rest.strip_prefix(&attribute) else {
            kept.push(first.clone());
            rest = others;
            continue;
        };
        let mut depth = 0;
        let end = item.iter().position(|token| {
            match token {
                Other('{') => depth += 1,
                Other('}') => depth -= 1,
                _ => {}
            }
            depth == 0 && matches!(token, Other('}' | ';'))
        });
        rest = end.map_or(&[], |end| &item[end + 1..]);
    }
    kept
}

/// The tokens of a text, without comments, strings and characters.
fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if let Some(length) = string(rest) {
            length
        } else if first == '_' || first.is_alphabetic() {
            let is_part = |char: char| char == '_' || char.is_alphanumeric();
            let length = rest.find(|char| !is_part(char)).unwrap_or(rest.len());
            tokens.push(Name(rest[..length].to_owned()));
            length
        } else if rest.starts_with("::") {
            tokens.push(Colons);
            2
        } else {
            if !first.is_whitespace() {
                tokens.push(Other(first));
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    tokens
}

/// The length of the comment that begins here; one may hold another.
fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest.starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    at
}

/// The length of the string or character that begins here, if one does.
fn string(text: &str) -> Option<usize> {
    let quote = text.trim_start_matches(['b', 'c', 'r']).trim_start_matches('#');
    let prefix = &text[..text.len() - quote.len()];
    if prefix.contains('r') && quote.starts_with('"') {
        let end = format!("\"{}", "#".repeat(prefix.matches('#').count()));
        return Some(prefix.len() + 1 + quote[1..].find(&end)? + end.len());
    }
    if prefix.contains('#') || prefix.len() > 1 {
        return None;
    }
    let mut chars = quote.char_indices();
    let (_, mark) = chars.next()?;
    if mark == '\'' {
        // A lifetime has no second quote behind its first character.
        let mut inside = chars.clone();
        let escaped = inside.next()?.1 == '\\';
        if !escaped && inside.next()?.1 != '\'' {
            return None;
        }
    } else if mark != '"' {
        return None;
    }
    while let Some((at, char)) = chars.next() {
        if char == '\\' {
            chars.next();
        } else if char == mark {
            return Some(prefix.len() + at + 1);
        }
    }
    None
}

/// Which modules of ECMAScript import which, by `import`, `export … from` and `import()`.
pub(super) fn ecmascript(sources: &Sources) -> Graph {
    let imports = |(file, text): (&String, &String)| {
        let directory = file.rsplit_once('/').map_or("", |(directory, _)| directory);
        let targets = text.lines().filter_map(specifier);
        let targets = targets.filter(|target| target.starts_with('.'));
        (file.clone(), targets.map(|target| join(directory, target)).collect())
    };
    sources.iter().map(imports).collect()
}

/// What a line imports. Types are imported in comments, which are none of a module's imports.
fn specifier(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let is_statement = ["import ", "export ", "} from "].iter().any(|word| line.starts_with(word));
    let behind =
        if is_statement && let Some(at) = line.find(" from ").or_else(|| line.find("} from ")) {
            &line[at..]
        } else if line.starts_with("import '") || line.starts_with("import \"") {
            line
        } else {
            let at = line.find("import(")?;
            let before = &line[..at];
            let in_comment = before.contains("//") || before.starts_with('*');
            if in_comment || before.rfind("/*") > before.rfind("*/") {
                return None;
            }
            &line[at..]
        };
    let start = behind.find(['\'', '"'])? + 1;
    let end = behind[start..].find(['\'', '"'])?;
    Some(&behind[start..start + end])
}

fn join(directory: &str, target: &str) -> String {
    let mut parts: Vec<&str> = directory.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Circles of files that import one another: enough of them that none is left once all are open.
pub(super) fn circles(graph: &Graph) -> Vec<String> {
    let mut graph = graph.clone();
    let mut circles = Vec::new();
    while let Some(circle) = circle(&graph) {
        let (last, first) = (&circle[circle.len() - 1], &circle[0]);
        graph.get_mut(last).unwrap().remove(first);
        circles.push(format!("{} → {first}", circle.join(" → ")));
    }
    circles
}

fn circle(graph: &Graph) -> Option<Vec<String>> {
    // What imports nothing that is left is in no circle.
    let mut left = graph.clone();
    loop {
        let known: BTreeSet<String> = left.keys().cloned().collect();
        let count = left.len();
        left.retain(|_, imports| imports.iter().any(|import| known.contains(import)));
        if left.len() == count {
            break;
        }
    }
    // From any of the others, imports lead on until they come to a file again.
    let mut way = vec![left.keys().next()?.clone()];
    loop {
        let next = left[&way[way.len() - 1]].iter().find(|import| left.contains_key(*import));
        let next = next.unwrap().clone();
        if let Some(at) = way.iter().position(|file| *file == next) {
            return Some(way.split_off(at));
        }
        way.push(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(files: &[(&str, &str)]) -> Sources {
        files.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect()
    }

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn of_a(text: &str) -> Named {
        let others = ["lib.rs", "b.rs", "b/c.rs", "b/d.rs", "a/e.rs", "a/e/f.rs"];
        let mut files: Vec<(&str, &str)> = others.iter().map(|file| (*file, "")).collect();
        files.push(("a.rs", text));
        rust(&sources(&files)).remove("a.rs").unwrap()
    }

    #[test]
    fn each_form_of_a_path_leads_to_its_file() {
        for (text, files) in [
            ("use crate::b::Item;", &["b.rs"][..]),
            ("pub(crate) use crate::b;", &["b.rs"]),
            (
                "use crate::b::{c::{Item, self}, d as other, Item as _};",
                &["b.rs", "b/c.rs", "b/d.rs"],
            ),
            ("use crate::b::c::{self};", &["b/c.rs"]),
            ("use crate::{\n    b::c::*, // a comment\n};", &["b/c.rs"]),
            ("use super::b::c;", &["b/c.rs"]),
            ("use crate::Item;", &["lib.rs"]),
            ("use self::e::Item;", &["a/e.rs"]),
            ("use e::f::Item;", &["a/e/f.rs"]),
            ("mod e;\nfn f() { e::item(); }", &["a/e.rs"]),
            ("fn f(_: crate::b::Item<super::b::c::Item>) {}", &["b.rs", "b/c.rs"]),
            ("mod inside { use super::e::Item; use super::super::b::Item; }", &["a/e.rs", "b.rs"]),
            ("mod inside { fn f() {} } use super::b::Item;", &["b.rs"]),
            ("#[cfg(test)] use crate::b; use crate::b::c;", &["b/c.rs"]),
            ("const X: char = '\"'; use crate::b; fn f<'a>(_: &'a str) {}", &["b.rs"]),
        ] {
            assert_eq!(of_a(text).files, set(files), "{text}");
        }
    }

    #[test]
    fn what_no_compiler_reads_is_not_read() {
        for text in [
            "mod e;",
            "// use crate::b;",
            "/* /* use crate::b; */ use crate::b; */",
            "/// [`crate::b::Item`]",
            r#"const X: &str = "\"use crate::b;";"#,
            r##"const X: &str = r#"" use crate::b;"#;"##,
            "#[cfg(test)]\nmod tests { use crate::b; mod more { } use crate::b::c; }",
            "use crate::a::Item; use self::Item;",
            "fn f() -> impl Sized + use<> {}",
        ] {
            assert_eq!(of_a(text).files, set(&[]), "{text}");
        }
    }

    #[test]
    fn crates_are_what_is_no_module() {
        let named = of_a("use aws_config::SdkConfig; use e::Item; fn f() { aws_types::g() }");
        assert_eq!(named.crates, set(&["aws_config", "aws_types"]));
    }

    #[test]
    fn a_circle_needs_items_and_not_declarations() {
        let graph = |parent| -> Graph {
            let files = [("a.rs", parent), ("a/e.rs", "use crate::a::Item;"), ("lib.rs", "mod a;")];
            let named = rust(&sources(&files));
            named.into_iter().map(|(file, named)| (file, named.files)).collect()
        };
        assert_eq!(circles(&graph("mod e; pub struct Item;")), [""; 0]);
        assert_eq!(circles(&graph("mod e; use e::Other;")), ["a.rs → a/e.rs → a.rs"]);
    }

    #[test]
    fn every_circle_is_found() {
        let graph = |edges: &[(&str, &[&str])]| -> Graph {
            edges.iter().map(|(from, to)| ((*from).to_owned(), set(to))).collect()
        };
        assert_eq!(circles(&graph(&[("a", &["b", "c"]), ("b", &["c"]), ("c", &[])])), [""; 0]);
        let two = [("a", &["b"][..]), ("b", &["a", "c"]), ("c", &["d"]), ("d", &["c"])];
        assert_eq!(circles(&graph(&two)), ["a → b → a", "c → d → c"]);
    }

    #[test]
    fn modules_of_the_page_are_read() {
        let text = "import { a } from './a.js';\nimport {\n  b,\n} from '../b.js';\nimport './c.js';\n\
            const d = await import('./d.js');\nexport { e } from './e/f.js';\n\
            // import './no.js';\n/** @type {import('./no.js').T} */\n * import('./no.js')\n\
            let x = /** @type {import('./no.js').T} */ (y);\nimport z from 'outside';\n";
        let graph = ecmascript(&sources(&[("x/y.js", text)]));
        assert_eq!(graph["x/y.js"], set(&["b.js", "x/a.js", "x/c.js", "x/d.js", "x/e/f.js"]));
    }
}
