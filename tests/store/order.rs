//! `strace` watches a process that commits: body and journal are synced, in
//! that order, before the acknowledgement is written.

use std::collections::HashMap;
use std::fs;

use reprieve::store::IndexEngine;

use crate::child::traced;

/// One completed call, or the beginning of an acknowledgement.
#[derive(Debug, PartialEq)]
enum Event {
    Wrote(&'static str),
    Synced(&'static str),
    /// "held" or "moved" was written to the recorder.
    Said(String),
}

#[test]
fn body_and_journal_are_synced_before_the_answer() {
    for index in IndexEngine::ALL {
        let folder = tempfile::tempdir().unwrap();
        let trace = folder.path().join("trace");
        let Some(said) = traced(&folder.path().join("store"), index, &trace) else {
            println!("skipped: strace is not installed");
            assert!(std::env::var("CI").is_err(), "continuous integration must not skip this");
            return;
        };
        assert!(said >= 20, "{said} acknowledged");
        let events = events(&fs::read_to_string(&trace).unwrap());
        let mut since = Vec::new();
        let mut seen = 0;
        for event in events {
            let Event::Said(word) = &event else {
                since.push(event);
                continue;
            };
            let journal = [Event::Wrote("journal"), Event::Synced("journal")];
            let body = [Event::Wrote("body"), Event::Synced("body")];
            match word.as_str() {
                "held" => assert!(in_order(&since, body.iter().chain(&journal)), "{since:?}"),
                "moved" | "gone" => assert!(in_order(&since, journal.iter()), "{since:?}"),
                _ => continue,
            }
            seen += 1;
            since.clear();
        }
        assert_eq!(seen, said);
    }
}

fn in_order<'a>(events: &[Event], wanted: impl Iterator<Item = &'a Event>) -> bool {
    let mut events = events.iter();
    let mut wanted = wanted;
    wanted.all(|wanted| events.any(|event| event == wanted))
}

/// What the trace says, calls at the moment at which they were complete.
fn events(trace: &str) -> Vec<Event> {
    let mut begun: HashMap<&str, &str> = HashMap::new();
    let mut events = Vec::new();
    for line in trace.lines() {
        let Some((process, rest)) = line.split_once(' ') else { continue };
        let rest = rest.trim_start();
        if let Some(said) = rest.strip_prefix("write(1").and_then(|rest| rest.split_once("\\n@")) {
            let word = said.1.split([' ', '\\']).next().unwrap_or_default();
            events.push(Event::Said(word.to_owned()));
        } else if rest.ends_with("<unfinished ...>") {
            begun.insert(process, rest);
        } else if rest.starts_with("<...") && rest.contains("= ") && !rest.contains("= -1") {
            events.extend(begun.remove(process).and_then(call));
        } else if !rest.contains("= -1") {
            events.extend(call(rest));
        }
    }
    events
}

fn call(text: &str) -> Option<Event> {
    let file = if text.contains(".journal>") {
        "journal"
    } else if text.contains(".bodies>") || text.contains(".body>") {
        "body"
    } else {
        return None;
    };
    match text.split('(').next()? {
        "fdatasync" => Some(Event::Synced(file)),
        "pwrite64" => Some(Event::Wrote(file)),
        _ => None,
    }
}
