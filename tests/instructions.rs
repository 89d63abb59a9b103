//! What a chunk costs in instructions, counted by Valgrind: a figure that does not depend on how fast
//! or how busy the machine is. `scripts/test cost` runs it. To write the expected figures
//! anew, which belongs into the commit that changes them:
//!
//! ```sh
//! cargo test --profile soak --test instructions -- --renew
//! ```

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod recorded;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::{env, fs};

use recorded::{Recorded, Speaker};

/// The expected figures, by the processor's architecture.
const EXPECTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/instructions.json");

/// How many times as much a figure may become. Repeated runs differ by less than a hundredth; the
/// rest is for other versions of the compiler.
const TOLERANCE: f64 = 1.05;

/// The turns: their names, as the figures' file has them, who speaks, and how many chunks come together.
const TURNS: [(&str, Speaker, usize); 4] = [
    ("a chunk in a post of its own", Speaker::Agent, 1),
    ("a chunk among 100", Speaker::Agent, 100),
    ("a harness's chunk in a post of its own", Speaker::Harness, 1),
    ("a harness's chunk among 100", Speaker::Harness, 100),
];

type Figures = BTreeMap<String, BTreeMap<String, f64>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        // What Valgrind runs.
        ["turn", number, chunks] => {
            let (_, speaker, together) = TURNS[number.parse::<usize>().unwrap()];
            Recorded::of(speaker).turn(chunks.parse().unwrap(), together);
            ExitCode::SUCCESS
        }
        ["--renew"] => renew(&count()),
        _ => compare(&count()),
    }
}

/// The instructions of one more chunk of a long turn, for each kind of turn.
fn count() -> BTreeMap<String, f64> {
    let of = |(number, (name, ..)): (usize, &(&str, Speaker, usize))| {
        let (fewer, more) = (instructions(number, 200), instructions(number, 1200));
        ((*name).to_owned(), (more - fewer) / 1000.0)
    };
    TURNS.iter().enumerate().map(of).collect()
}

/// The instructions of a whole process that relays one turn.
fn instructions(turn: usize, chunks: usize) -> f64 {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("callgrind.{turn}.{chunks}"));
    let output = Command::new("valgrind")
        .arg("--tool=callgrind")
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(env::current_exe().unwrap())
        .args(["turn", &turn.to_string(), &chunks.to_string()])
        // What the machine's own environment says about AWS would be read, and differ.
        .env_clear()
        .output()
        .expect("Valgrind can be run: install it, on Debian with `apt-get install valgrind`");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let counted = fs::read_to_string(file).unwrap();
    let total = counted.lines().find_map(|line| line.strip_prefix("totals:"));
    total.expect("a total").trim().parse().unwrap()
}

fn read() -> Figures {
    serde_json::from_str(&fs::read_to_string(EXPECTED).unwrap_or_else(|_| "{}".to_owned())).unwrap()
}

fn renew(counted: &BTreeMap<String, f64>) -> ExitCode {
    let mut figures = read();
    let rounded = counted.iter().map(|(name, count)| (name.clone(), count.round()));
    figures.insert(env::consts::ARCH.to_owned(), rounded.collect());
    fs::write(EXPECTED, serde_json::to_string_pretty(&figures).unwrap() + "\n").unwrap();
    ExitCode::SUCCESS
}

fn compare(counted: &BTreeMap<String, f64>) -> ExitCode {
    let figures = read();
    let Some(expected) = figures.get(env::consts::ARCH) else {
        eprintln!(
            "NOT COMPARED: tests/instructions.json has no figures for {}. Counted: {counted:?}. Add them with `cargo test --profile soak --test instructions -- --renew`.",
            env::consts::ARCH
        );
        return ExitCode::FAILURE;
    };
    let mut good = true;
    for (name, count) in counted {
        let Some(expected) = expected.get(name) else {
            println!("{name}: {count:.0} instructions, and no figure to compare with");
            good = false;
            continue;
        };
        let times = count / expected;
        let verdict = if times > TOLERANCE {
            good = false;
            "too many"
        } else if times < 1.0 / TOLERANCE {
            "fewer by far: renew the figure (see tests/instructions.rs)"
        } else {
            "as expected"
        };
        println!("{name}: {count:.0} instructions, {times:.3} × {expected:.0}: {verdict}");
    }
    let (passed, failed) = (u32::from(good), u32::from(!good));
    println!("{passed} passed, {failed} failed");
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
