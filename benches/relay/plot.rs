//! The pictures: SVG by hand, since two plots are less than a crate for them.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::figures::{Figures, milliseconds};
use crate::functions::Function;
use crate::runs::Series;
use crate::workloads::CROWDS;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 360.0;
/// The room for the axes' numbers and, on the right, for the names of the lines.
const MARGINS: Margins = Margins { left: 60.0, right: 150.0, top: 40.0, bottom: 45.0 };
/// Distinguishable by those who can't tell red from green.
const COLOURS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#999999", "#cc79a7", "#e69f00"];

struct Margins {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

/// One axis, logarithmic.
struct Axis {
    title: &'static str,
    least: f64,
    most: f64,
    ticks: &'static [(f64, &'static str)],
    logarithmic: bool,
}

struct Line {
    function: Function,
    points: Vec<(f64, f64)>,
}

/// Draws what was measured.
pub(crate) fn draw(directory: &Path, series: &Series, figures: &Figures) {
    fs::create_dir_all(directory).expect("the directory can be made");
    if !series.is_empty() {
        fs::write(directory.join("benchmark-lag.svg"), lag(series)).expect("the plot is written");
    }
    let memory = memory(figures);
    if !memory.is_empty() {
        let svg = svg(
            "Memory of one process over the turns that it carries at once",
            &Axis {
                title: "turns at once",
                least: 1.0,
                most: 1000.0,
                ticks: &[(1.0, "1"), (10.0, "10"), (100.0, "100"), (1000.0, "1,000")],
                logarithmic: true,
            },
            &Axis {
                title: "peak memory, MB",
                least: 0.0,
                most: 240.0,
                ticks: &[(0.0, "0"), (64.0, "64"), (128.0, "128"), (192.0, "192")],
                logarithmic: false,
            },
            &memory,
        );
        fs::write(directory.join("benchmark-memory.svg"), svg).expect("the plot is written");
    }
}

fn lag(series: &Series) -> String {
    let line = |(function, lags): &(Function, Vec<_>)| {
        // As many points as there are pixels for them.
        let every = (lags.len() / 400).max(1);
        let points = lags
            .iter()
            .step_by(every)
            .map(|(at, lag): &(_, _)| (milliseconds(*at) / 1000.0, milliseconds(*lag).max(0.1)));
        Line { function: *function, points: points.collect() }
    };
    let lines: Vec<Line> = series.iter().map(line).collect();
    svg(
        "How late text is: 2,000 chunks at 200 a second, each post takes 20 ms",
        &Axis {
            title: "when the agent said it, s",
            least: 0.0,
            most: 10.0,
            ticks: &[(0.0, "0"), (2.0, "2"), (4.0, "4"), (6.0, "6"), (8.0, "8"), (10.0, "10")],
            logarithmic: false,
        },
        &Axis {
            title: "lag",
            least: 0.1,
            most: 100_000.0,
            ticks: &[
                (0.1, "0.1 ms"),
                (1.0, "1 ms"),
                (10.0, "10 ms"),
                (100.0, "100 ms"),
                (1000.0, "1 s"),
                (10_000.0, "10 s"),
                (100_000.0, "100 s"),
            ],
            logarithmic: true,
        },
        &lines,
    )
}

fn memory(figures: &Figures) -> Vec<Line> {
    let line = |function| {
        let points = CROWDS.iter().filter_map(|(turns, name)| {
            Some((*turns as f64, figures.median(name, function, "memory MB")?))
        });
        Line { function, points: points.collect() }
    };
    let lines = [Function::Relay, Function::AwaitEach].map(line);
    lines.into_iter().filter(|line| !line.points.is_empty()).collect()
}

impl Axis {
    /// Where on the axis a value is, from 0 to 1.
    fn place(&self, value: f64) -> f64 {
        if self.logarithmic {
            (value / self.least).ln() / (self.most / self.least).ln()
        } else {
            (value - self.least) / (self.most - self.least)
        }
    }
}

fn svg(title: &str, across: &Axis, up: &Axis, lines: &[Line]) -> String {
    let Margins { left, right, top, bottom } = MARGINS;
    let (right, bottom) = (WIDTH - right, HEIGHT - bottom);
    let x = |value: f64| left + across.place(value) * (right - left);
    let y = |value: f64| bottom - up.place(value) * (bottom - top);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <title>{title}</title>\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n\
         <text x=\"{left}\" y=\"22\" font-size=\"14\">{title}</text>\n"
    );
    for (value, label) in across.ticks {
        let x = x(*value);
        let _ = writeln!(
            svg,
            "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{label}</text>",
            bottom + 16.0
        );
    }
    for (value, label) in up.ticks {
        let y = y(*value);
        let _ = writeln!(
            svg,
            "<path d=\"M{left} {y:.1}H{right}\" stroke=\"#ddd\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
            left - 6.0,
            y + 4.0
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\
         <text x=\"{left}\" y=\"{:.1}\" fill=\"#555\">{}</text>",
        f64::midpoint(left, right),
        bottom + 36.0,
        across.title,
        top - 4.0,
        up.title
    );
    // Names at the lines' ends, apart from one another.
    let mut ends: Vec<(f64, usize)> = lines
        .iter()
        .enumerate()
        .filter_map(|(number, line)| Some((y(line.points.last()?.1), number)))
        .collect();
    ends.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut lowest = f64::MIN;
    for (end, number) in ends {
        let colour = COLOURS[number % COLOURS.len()];
        let points = lines[number].points.iter();
        let points = points.map(|(across, up)| format!("{:.1},{:.1}", x(*across), y(*up)));
        let points = points.collect::<Vec<_>>().join(" ");
        let place = end.max(lowest + 15.0);
        lowest = place;
        let _ = writeln!(
            svg,
            "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" fill=\"{colour}\">{}</text>",
            right + 8.0,
            place + 4.0,
            lines[number].function.name()
        );
    }
    svg.push_str("</svg>\n");
    svg
}
