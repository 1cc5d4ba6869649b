//! What lists share: search field, chips, rows in their box, pager, empty
//! state, small times.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use maud::{Markup, Render, html};

use super::Place;
use super::place::Encoded;
use crate::clock::Timestamp;
use crate::portal::part;
use crate::portal::words::{Arguments, Words};
use crate::store::Unreadable;
use crate::store::arena::Order;

/// Rows of one page.
pub const ROWS: usize = 50;

/// A list's address with its filters: what the URL holds of its state.
#[derive(Clone)]
pub struct Address<'a> {
    place: Place<'a>,
    fields: Vec<(&'static str, String)>,
}

impl<'a> Address<'a> {
    pub fn new(place: Place<'a>) -> Self {
        Self { place, fields: Vec::new() }
    }

    /// With this field; an empty value leaves it out.
    pub fn with(&self, name: &'static str, value: &str) -> Self {
        let mut with = self.clone();
        with.fields.retain(|(other, _)| *other != name);
        if !value.is_empty() {
            with.fields.push((name, value.to_owned()));
        }
        with
    }

    /// The same fields at another place; the page is not one of them.
    pub fn at(&self, place: Place<'a>) -> Self {
        Self { place, ..self.with("after", "") }
    }

    /// The fields but one as hidden inputs: for a form that sets that one.
    pub fn hidden(&self, but: &str) -> Markup {
        html! {
            @for (name, value) in self.fields.iter().filter(|(name, _)| *name != but) {
                input type="hidden" name=(name) value=(value);
            }
        }
    }
}

impl std::fmt::Display for Address<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.place)?;
        for (count, (name, value)) in self.fields.iter().enumerate() {
            write!(f, "{}{name}={}", if count == 0 { '?' } else { '&' }, Encoded(value))?;
        }
        Ok(())
    }
}

impl Render for Address<'_> {
    fn render_to(&self, buffer: &mut String) {
        format_args!("{self}").render_to(buffer);
    }
}

/// The search field of a list; `/` goes there.
pub fn search(words: &Words, address: &Address<'_>, label: &str, typed: &str) -> Markup {
    html! {
        form.search method="get" action=(address.place) role="search" {
            (address.hidden("q"))
            label.hidden for="q" { (label) }
            input #q type="search" name="q" value=(typed) placeholder=(label) maxlength="200"
                autocomplete="off" spellcheck="false";
            button type="submit" { (words.say("admin-search")) }
        }
    }
}

/// One row of chips: each a link that sets `name`; the first is for all.
pub fn chips(
    label: &str,
    address: &Address<'_>,
    name: &'static str,
    now: &str,
    all: &[(&str, impl Render)],
) -> Markup {
    html! {
        nav.chips aria-label=(label) {
            @for (value, word) in all {
                a href=(address.with(name, value)) aria-current=[(*value == now).then_some("true")] { (word) }
            }
        }
    }
}

/// The link to the next page, and back to the first.
pub fn pager(words: &Words, address: &Address<'_>, paged: bool, next: Option<&[u8]>) -> Markup {
    pager_called(words, address, paged, next, "admin-next-page")
}

fn pager_called(
    words: &Words,
    address: &Address<'_>,
    paged: bool,
    next: Option<&[u8]>,
    called: &str,
) -> Markup {
    html! {
        @if paged || next.is_some() {
            nav.pager aria-label=(words.say("admin-pages")) {
                @if paged { a href=(address.with("after", "")) { (words.say("admin-first-page")) } }
                @if let Some(next) = next {
                    a rel="next" href=(address.with("after", &URL_SAFE_NO_PAD.encode(next))) {
                        (words.say(called))
                    }
                }
            }
        }
    }
}

/// The two orders of a time: their words in addresses.
pub const TIME: [&str; 2] = ["latest", "oldest"];
/// Those of a name.
pub const NAME: [&str; 2] = ["name", "name-backwards"];
/// Those of a time at which something will be.
pub const DUE: [&str; 2] = ["due", "due-last"];

/// A column, by the word of its head.
#[derive(Clone, Copy, Debug)]
pub enum Column {
    Text(&'static str),
    /// Aligned right.
    Number(&'static str),
    /// A time that the list can be sorted by.
    Time(&'static str),
    /// The name that the list can be sorted by.
    Name(&'static str),
    /// A time to come that the list can be sorted by.
    Due(&'static str),
    /// What stands below speaks for itself; only readers are told.
    Unsaid(&'static str),
}

/// How a list is sorted, and where its heads lead. Orders are words of
/// addresses; the usual one of a list stands in none.
#[derive(Clone, Copy)]
pub struct Sorted<'a> {
    pub address: &'a Address<'a>,
    pub order: &'static str,
    pub usual: &'static str,
}

impl<'a> Sorted<'a> {
    /// A list of an arena.
    pub fn by(address: &'a Address<'a>, order: Order) -> Self {
        Self { address, order: order.as_str(), usual: Order::default().as_str() }
    }

    /// The head of a column that sorts one way, or the other once it does.
    fn head(self, words: &Words, word: &str, orders: [&'static str; 2]) -> Markup {
        let next = if self.order == orders[0] { orders[1] } else { orders[0] };
        let next = if next == self.usual { "" } else { next };
        let falls = [TIME[0], NAME[1], DUE[1]].contains(&self.order);
        let mark = if falls { (" ↓", "descending") } else { (" ↑", "ascending") };
        let mark = orders.contains(&self.order).then_some(mark);
        html! {
            th scope="col" aria-sort=[mark.map(|(_, word)| word)] {
                a.sort href=(self.address.with("sort", next)) {
                    (words.say(word)) @if let Some((mark, _)) = mark { span aria-hidden="true" { (mark) } }
                }
            }
        }
    }
}

/// Of the orders of a list, the one that an address asks for: the first, which
/// is the usual one, if it asks for none of them.
pub fn one_of(orders: &[&'static str], word: &str) -> &'static str {
    orders.iter().find(|one| **one == word).unwrap_or(&orders[0])
}

/// The order that an address asks for.
pub fn order_of(word: &str) -> Order {
    Order::parse(word).unwrap_or_default()
}

/// Its word in addresses; the usual one has none.
pub fn order_word(order: Order) -> &'static str {
    if order == Order::default() { "" } else { order.as_str() }
}

/// The head of a column; those of a sorted list lead to the other orders.
pub fn head(words: &Words, column: Column, sorted: Option<Sorted<'_>>) -> Markup {
    let plain = |word: &str| html! { th scope="col" { (words.say(word)) } };
    match (column, sorted) {
        (Column::Time(word), Some(sorted)) => sorted.head(words, word, TIME),
        (Column::Name(word), Some(sorted)) => sorted.head(words, word, NAME),
        (Column::Due(word), Some(sorted)) => sorted.head(words, word, DUE),
        (
            Column::Text(word) | Column::Time(word) | Column::Name(word) | Column::Due(word),
            None,
        )
        | (Column::Text(word), _) => plain(word),
        (Column::Number(word), _) => html! { th.number scope="col" { (words.say(word)) } },
        (Column::Unsaid(word), _) => html! { th scope="col" { span.hidden { (words.say(word)) } } },
    }
}

/// Rows in a box of their own, which scrolls and not the page. `label` is
/// the word for the whole.
pub fn rows(words: &Words, label: &str, columns: &[Column], body: &Markup) -> Markup {
    region(words, (Some(label), None), columns, None, body)
}

/// The same, sorted by the heads of its columns.
pub fn sorted_rows(
    words: &Words,
    label: &str,
    columns: &[Column],
    sorted: Option<Sorted<'_>>,
    body: &Markup,
) -> Markup {
    region(words, (Some(label), None), columns, sorted, body)
}

/// The same below a heading of its own, whose id is given.
pub fn rows_under(words: &Words, heading: &str, columns: &[Column], body: &Markup) -> Markup {
    region(words, (None, Some(heading)), columns, None, body)
}

fn region(
    words: &Words,
    (label, heading): (Option<&str>, Option<&str>),
    columns: &[Column],
    sorted: Option<Sorted<'_>>,
    body: &Markup,
) -> Markup {
    let label = label.map(|label| words.say(label));
    html! {
        div.scroll tabindex="0" role="region" aria-label=[label] aria-labelledby=[heading] {
            table.rows {
                thead { tr {
                    @for column in columns { (head(words, *column, sorted)) }
                } }
                tbody { (body) }
            }
        }
    }
}

/// What a page of a list found.
#[derive(Clone, Copy, Default)]
pub struct Found<'a> {
    /// Its rows, if there are any.
    pub rows: Option<&'a Markup>,
    /// What would stand between them, but cannot be read.
    pub unreadable: &'a [Unreadable],
    /// It is not the first page.
    pub paged: bool,
    /// The cursor of the next page.
    pub next: Option<&'a [u8]>,
}

/// The rows or, if there is nothing at all, the sentence `nothing`; what cannot
/// be read; and the way on. A search that has stopped before it found anything
/// says so, and offers to go on.
pub fn found(words: &Words, address: &Address<'_>, nothing: &str, found: &Found<'_>) -> Markup {
    let Found { rows, unreadable, paged, next } = *found;
    let (nothing, called) = match (rows, next) {
        (None, Some(_)) => ("admin-nothing-yet", "admin-search-on"),
        _ => (nothing, "admin-next-page"),
    };
    let line = |one: &Unreadable| {
        words.tell("admin-unreadable", &Arguments::new().own("key", one.to_string()))
    };
    html! {
        @for one in unreadable { p.wrong { (line(one)) } }
        @if let Some(rows) = rows { (rows) }
        @else if unreadable.is_empty() { (empty(words.say(nothing))) }
        (pager_called(words, address, paged, next, called))
    }
}

/// The same empty state everywhere.
pub fn empty(text: &str) -> Markup {
    html! { p.empty { (text) } }
}

/// "14 minutes ago" alone; the exact time in the tooltip.
pub fn ago(words: &Words, at: Timestamp, now: Timestamp) -> Markup {
    html! { time datetime=(at) title=(part::exact(at)) { (part::relative(words, at, now)) } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::portal::words::Languages;

    #[test]
    fn a_search_that_has_stopped_does_not_say_that_there_is_nothing() {
        let languages = Languages::new();
        let (words, address) = (languages.english(), Address::new(Place::Audit));
        let said = |rows: Option<&Markup>, next: Option<&[u8]>| {
            let page = Found { rows, next, ..Found::default() };
            found(words, &address, "admin-nothing-found", &page).into_string()
        };
        let stopped = said(None, Some(b"x"));
        assert!(stopped.contains("so far") && stopped.contains("Search on"), "{stopped}");
        assert!(stopped.contains("after=eA") && !stopped.contains("Nothing found"), "{stopped}");
        assert!(said(None, None).contains("Nothing found"));
        let rows = html! { "rows" };
        assert!(said(Some(&rows), Some(b"x")).contains("Next page"));
    }
}
