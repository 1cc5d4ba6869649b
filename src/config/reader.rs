//! Reads one TOML table key by key, and refuses what it was not asked for.
//!
//! Each key is asked for once, with its default or an example as TOML text,
//! so that a mistake can always say the key's full name, what is wrong and
//! what would be right. The names asked for are kept: a test holds them
//! against `deploy/reprieve.toml`.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use toml::{Table, Value};

/// One mistake in a configuration: it keeps the gateway from starting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {wrong}; write for example: {example}")]
pub struct Mistake {
    /// Full name: `filter.hold`.
    pub key: String,
    pub wrong: String,
    /// A line that would be right: `hold = 5.0`.
    pub example: String,
}

/// A key as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Known {
    pub key: String,
    /// The default as TOML text; `None` if the key has none.
    pub default: Option<String>,
}

/// A key with the value that is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// Its full name as mistakes say it: `organisation "example".name`.
    pub key: String,
    /// The same without what tells several apart: `organisation.name`.
    pub name: String,
    /// As TOML text; `None` if it has none, or may not be shown.
    pub value: Option<String>,
    /// Whether the file says it; else it is the default.
    pub written: bool,
    /// Never shown.
    pub secret: bool,
}

/// Every key that was asked for, over all sections, and what it was.
#[derive(Default)]
pub(super) struct Heard {
    pub known: BTreeSet<Known>,
    pub values: Vec<Effective>,
}

pub(super) type Asked = Rc<RefCell<Heard>>;

/// A table that is being read.
pub(super) struct Section {
    /// Where it stands, with a dot at its end; empty for the root.
    path: String,
    /// The same as people write it, to tell which of several: `organisation "a".`.
    place: String,
    left: Table,
    asked: Asked,
}

/// Says what is wrong with a value: `"high" is not a number`.
type Parsed<T> = Result<T, String>;

impl Section {
    pub fn root(table: Table, asked: Asked) -> Self {
        Self { path: String::new(), place: String::new(), left: table, asked }
    }

    /// A key that must be there.
    pub fn required<T>(
        &mut self,
        key: &str,
        example: &str,
        parse: impl Fn(&Value) -> Parsed<T>,
    ) -> Result<T, Mistake> {
        match self.take(key, None) {
            Some(value) => parse(&value).map_err(|wrong| self.mistake(key, wrong, example)),
            None => Err(self.mistake(key, "is missing", example)),
        }
    }

    /// A key that may be absent.
    pub fn optional<T>(
        &mut self,
        key: &str,
        example: &str,
        parse: impl Fn(&Value) -> Parsed<T>,
    ) -> Result<Option<T>, Mistake> {
        let value = self.take(key, None);
        value
            .map(|value| parse(&value).map_err(|wrong| self.mistake(key, wrong, example)))
            .transpose()
    }

    /// A key with a default, given as TOML text.
    pub fn or<T>(
        &mut self,
        key: &str,
        default: &str,
        parse: impl Fn(&Value) -> Parsed<T>,
    ) -> Result<T, Mistake> {
        let value = match self.take(key, Some(default)) {
            Some(value) => value,
            None => default.parse().map_err(|_| self.mistake(key, "has no default", default))?,
        };
        parse(&value).map_err(|wrong| self.mistake(key, wrong, default))
    }

    /// The same where the default would be a poor example.
    pub fn or_like<T>(
        &mut self,
        key: &str,
        default: &str,
        example: &str,
        parse: impl Fn(&Value) -> Parsed<T>,
    ) -> Result<T, Mistake> {
        self.or(key, default, parse).map_err(|wrong| self.mistake(key, wrong.wrong, example))
    }

    /// A list that is empty by default.
    pub fn list_or_none<T>(
        &mut self,
        key: &str,
        example: &str,
        parse: impl Fn(&Value) -> Parsed<Vec<T>>,
    ) -> Result<Vec<T>, Mistake> {
        let value = self.take(key, Some("[]"));
        value.map_or(Ok(Vec::new()), |value| {
            parse(&value).map_err(|wrong| self.mistake(key, wrong, example))
        })
    }

    /// The table `[key]`; empty if it is absent.
    pub fn section(&mut self, key: &str) -> Result<Self, Mistake> {
        let example = format!("[{}{key}]", self.path);
        let table = match self.left.remove(key) {
            None => Table::new(),
            Some(Value::Table(table)) => table,
            Some(_) => return Err(self.mistake_line(key, "is a table of keys", &example)),
        };
        Ok(self.inner(key, key, table))
    }

    /// The tables `[[key]]`, each named in mistakes by its `name_key`.
    pub fn list(&mut self, key: &str, name_key: &str) -> Result<Vec<Self>, Mistake> {
        let example = format!("[[{}{key}]]", self.path);
        let list = match self.left.remove(key) {
            None => return Ok(Vec::new()),
            Some(Value::Array(list)) => list,
            Some(_) => return Err(self.mistake_line(key, "is a list of tables", &example)),
        };
        let mut sections = Vec::new();
        for (at, entry) in list.into_iter().enumerate() {
            let Value::Table(table) = entry else {
                return Err(self.mistake_line(key, "is a list of tables", &example));
            };
            let name = table.get(name_key).and_then(Value::as_str);
            let name = name.map_or_else(|| format!("number {}", at + 1), |n| format!("{n:?}"));
            sections.push(self.inner(key, &format!("{key} {name}"), table));
        }
        Ok(sections)
    }

    /// Refuses every key that nobody asked for.
    pub fn finish(self) -> Result<(), Mistake> {
        let Some(key) = self.left.keys().next() else {
            return Ok(());
        };
        // Each name, and the line that it begins.
        let known: BTreeMap<String, String> = {
            let asked = self.asked.borrow();
            let below = asked.known.iter().filter_map(|known| known.key.strip_prefix(&self.path));
            let line = |rest: &str| match rest.split_once('.') {
                Some((table, _)) => (table.to_owned(), format!("[{}{table}]", self.path)),
                None => (rest.to_owned(), format!("{rest} = …")),
            };
            below.map(line).collect()
        };
        let names: Vec<&str> = known.keys().map(String::as_str).collect();
        let wrong = "is not a key that reprieve knows";
        let example = match nearest(key, &names) {
            Some(near) => known[near].clone(),
            None => names.join(", "),
        };
        Err(self.mistake_line(key, wrong, &example))
    }

    /// A mistake about `key`; `example` is a value that would be right.
    pub fn mistake(&self, key: &str, wrong: impl Into<String>, example: &str) -> Mistake {
        self.mistake_line(key, wrong, &format!("{key} = {example}"))
    }

    /// The same with a whole line as example.
    pub fn mistake_line(&self, key: &str, wrong: impl Into<String>, example: &str) -> Mistake {
        Mistake {
            key: format!("{}{key}", self.place),
            wrong: wrong.into(),
            example: example.to_owned(),
        }
    }

    fn take(&mut self, key: &str, default: Option<&str>) -> Option<Value> {
        let known =
            Known { key: format!("{}{key}", self.path), default: default.map(ToOwned::to_owned) };
        let value = self.left.remove(key);
        let mut asked = self.asked.borrow_mut();
        asked.values.push(self.effective(key, value.as_ref(), default));
        asked.known.insert(known);
        value
    }

    fn effective(&self, key: &str, value: Option<&Value>, default: Option<&str>) -> Effective {
        let name = format!("{}{key}", self.path);
        // A file that holds a password may be named, a password may not.
        let secret = key.ends_with("password") && !key.starts_with("smarthost");
        let written = value.is_some();
        let value = value.map(ToString::to_string).or(default.map(ToOwned::to_owned));
        let value = value.filter(|_| !secret).map(|value| masked(&name, value));
        Effective { key: format!("{}{key}", self.place), name, value, written, secret }
    }

    fn inner(&self, key: &str, place: &str, table: Table) -> Self {
        Self {
            path: format!("{}{key}.", self.path),
            place: format!("{}{place}.", self.place),
            left: table,
            asked: Rc::clone(&self.asked),
        }
    }
}

/// Some providers of DNS lists put the customer's key into the zone: long
/// labels there are not shown.
fn masked(name: &str, value: String) -> String {
    if name != "filter.lists" {
        return value;
    }
    let mut shown = String::new();
    for part in value.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
        let bare = part.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        shown.push_str(if bare.len() < 20 { bare } else { "…" });
        shown.push_str(&part[bare.len()..]);
    }
    shown
}

/// The name that was probably meant.
fn nearest<'a>(key: &str, names: &[&'a str]) -> Option<&'a str> {
    let best = names.iter().min_by_key(|name| distance(key, name))?;
    (distance(key, best) * 2 <= key.len()).then_some(*best)
}

/// Levenshtein's distance of two short words.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = corner + usize::from(x != *y);
            corner = row[j + 1];
            row[j + 1] = change.min(corner + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
