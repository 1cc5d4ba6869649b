//! Charts as SVG, made on the server: a line, and behind it the least, the
//! most and the mean of the four weeks before. For the console and `/stats`.

use maud::{Markup, html};

use super::words::Words;
use crate::statistics::Counts;

const WIDTH: u32 = 720;
const HEIGHT: u32 = 180;
/// Room for the numbers at the left and the words below.
const LEFT: u32 = 44;
const BELOW: u32 = 20;

/// Hours of a week.
pub const WEEK: u32 = 168;

/// One kind of count, with its word.
pub type Kind = (&'static str, fn(&Counts) -> u64);

/// What is counted, in the order in which it is shown.
pub const KINDS: [Kind; 5] = [
    ("count-held", |counts| counts.held),
    ("count-released", |counts| counts.released),
    ("count-delivered", |counts| counts.delivered),
    ("count-rejected", |counts| counts.rejected),
    ("count-destroyed", |counts| counts.destroyed),
];

/// One point and its reference, all of the same unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Point {
    pub value: u64,
    pub least: u64,
    pub most: u64,
    pub mean: u64,
}

/// The points of a line with the band of the four weeks before each. `all`
/// holds five weeks, the oldest first; the last `shown` become points.
pub fn with_band(all: &[u64], week: usize, shown: usize) -> Vec<Point> {
    let first = all.len().saturating_sub(shown);
    (first..all.len())
        .map(|at| {
            let before = (1..=4).filter_map(|weeks| at.checked_sub(weeks * week));
            let before: Vec<u64> = before.map(|at| all[at]).collect();
            let count = before.len().max(1) as u64;
            Point {
                value: all[at],
                least: before.iter().copied().min().unwrap_or(0),
                most: before.iter().copied().max().unwrap_or(0),
                mean: before.iter().sum::<u64>() / count,
            }
        })
        .collect()
}

/// A chart with its word and its sum; `begin` is the word below its first
/// point.
pub fn figure(words: &Words, word: &str, points: &[Point], begin: &str) -> Markup {
    let ends = (&**words.say(begin), &**words.say("admin-now"));
    html! {
        figure.card {
            figcaption { strong { (words.say(word)) } " " span.soft { (points.iter().map(|one| one.value).sum::<u64>()) } }
            (chart(words.say(word), points, ends))
        }
    }
}

/// `label` says to those who do not see it what it shows; `ends` are the words
/// below its first and last point.
fn chart(label: &str, points: &[Point], ends: (&str, &str)) -> Markup {
    let top = points.iter().map(|one| one.value.max(one.most)).max().unwrap_or(0).max(1);
    let down = |value: u64| {
        let room = u64::from(HEIGHT - BELOW - 8);
        let up = value * room / top;
        u64::from(HEIGHT - BELOW) - up
    };
    let along = |at: usize| {
        let room = (WIDTH - LEFT) as usize;
        LEFT as usize + at * room / points.len().saturating_sub(1).max(1)
    };
    let line = |read: fn(&Point) -> u64| {
        let all = points.iter().enumerate();
        all.map(|(at, one)| format!("{},{}", along(at), down(read(one)))).collect::<Vec<_>>()
    };
    let mut band = line(|one| one.most);
    band.extend(line(|one| one.least).into_iter().rev());
    html! {
        svg.chart viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(label) {
            line.axis x1=(LEFT) x2=(WIDTH) y1=(HEIGHT - BELOW) y2=(HEIGHT - BELOW) {}
            polygon.band points=(band.join(" ")) {}
            polyline.mean points=(line(|one| one.mean).join(" ")) {}
            polyline.line points=(line(|one| one.value).join(" ")) {}
            text x=(LEFT - 6) y="14" text-anchor="end" { (top) }
            text x=(LEFT - 6) y=(HEIGHT - BELOW) text-anchor="end" { "0" }
            text x=(LEFT) y=(HEIGHT - 4) { (ends.0) }
            text x=(WIDTH - 2) y=(HEIGHT - 4) text-anchor="end" { (ends.1) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_band_is_the_same_time_of_the_four_weeks_before() {
        let all: Vec<u64> = (0..10).collect();
        let points = with_band(&all, 2, 2);
        let point = |value, least, most, mean| Point { value, least, most, mean };
        assert_eq!(points, [point(8, 0, 6, 3), point(9, 1, 7, 4)]);
        assert_eq!(with_band(&[5], 2, 2), [point(5, 0, 0, 0)]);
    }

    #[test]
    fn an_empty_chart_is_a_chart() {
        let drawn = chart("nothing", &[], ("a", "b")).into_string();
        assert!(drawn.contains("role=\"img\""));
    }
}
