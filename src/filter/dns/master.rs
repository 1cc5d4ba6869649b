//! Master files (RFC 1035 section 5.1), as far as mail needs them.
//!
//! Own reader because test zones hold names and texts that hickory's refuses
//! or reads otherwise (`\DDD` is decimal). Knows comments, parentheses,
//! `$ORIGIN`, `$TTL` (ignored, like all TTLs but for their place), `@`, the
//! owner above, and A, AAAA, CNAME, MX, NS, PTR, SOA (skipped) and TXT.

use hickory_resolver::proto::rr::rdata::{A, AAAA, CNAME, MX, NS, PTR, TXT};
use hickory_resolver::proto::rr::{Name, RData, Record};

use super::DnsError;

/// Seconds that every answer may be kept.
const TTL: u32 = 300;

/// A word of the file, escapes untouched.
struct Token {
    text: Vec<u8>,
    quoted: bool,
}

/// An entry: its line, whether it began with white space, its words.
struct Entry {
    line: usize,
    continues: bool,
    tokens: Vec<Token>,
}

/// Reads all records. Names without a last dot are below `$ORIGIN`, which is
/// the root until the file says otherwise.
pub fn records(text: &str) -> Result<Vec<Record>, DnsError> {
    let mut records = Vec::new();
    let mut origin = Name::root();
    let mut owner: Option<Name> = None;
    for entry in entries(text.as_bytes())? {
        let wrong = |what: &str| DnsError::Zone(format!("line {}: {what}", entry.line));
        let words: Vec<&Token> = entry.tokens.iter().collect();
        if words[0].text.starts_with(b"$") {
            if words[0].is("$ORIGIN") {
                let named = words.get(1).and_then(|word| word.name(&Name::root()));
                origin = named.ok_or_else(|| wrong("$ORIGIN needs a name"))?;
            } else if !words[0].is("$TTL") {
                return Err(wrong("only $ORIGIN and $TTL are known"));
            }
            continue;
        }
        let mut rest = words.as_slice();
        if !entry.continues {
            owner = Some(rest[0].name(&origin).ok_or_else(|| wrong("that is no name"))?);
            rest = &rest[1..];
        }
        let name = owner.clone().ok_or_else(|| wrong("whose record is this?"))?;
        while rest.first().is_some_and(|word| word.is("IN") || word.is_ttl()) {
            rest = &rest[1..];
        }
        let (kind, values) = rest.split_first().ok_or_else(|| wrong("no record type"))?;
        if kind.is("SOA") {
            continue;
        }
        let data = data(kind, values, &origin)
            .ok_or_else(|| wrong("not a record of A, AAAA, CNAME, MX, NS, PTR or TXT"))?;
        records.push(Record::from_rdata(name, TTL, data));
    }
    Ok(records)
}

fn data(kind: &Token, values: &[&Token], origin: &Name) -> Option<RData> {
    let text = |place: usize| std::str::from_utf8(&values.get(place)?.text).ok();
    let name = |place: usize| values.get(place)?.name(origin);
    Some(match kind.text.to_ascii_uppercase().as_slice() {
        b"A" => RData::A(A(text(0)?.parse().ok()?)),
        b"AAAA" => RData::AAAA(AAAA(text(0)?.parse().ok()?)),
        b"CNAME" => RData::CNAME(CNAME(name(0)?)),
        b"NS" => RData::NS(NS(name(0)?)),
        b"PTR" => RData::PTR(PTR(name(0)?)),
        b"MX" => RData::MX(MX::new(text(0)?.parse().ok()?, name(1)?)),
        b"TXT" if !values.is_empty() => {
            let strings: Vec<Vec<u8>> = values.iter().map(|value| unescape(&value.text)).collect();
            // A string has at most 255 bytes (section 3.3); longer ones, as
            // people paste DKIM keys, are cut into several.
            let cut = strings.iter().flat_map(|one| {
                if one.is_empty() { vec![&one[..]] } else { one.chunks(255).collect() }
            });
            RData::TXT(TXT::from_bytes(cut.collect()))
        }
        _ => return None,
    })
}

impl Token {
    fn is(&self, word: &str) -> bool {
        !self.quoted && self.text.eq_ignore_ascii_case(word.as_bytes())
    }

    /// `300`, `1h`, `1w2d`.
    fn is_ttl(&self) -> bool {
        !self.quoted
            && self.text.first().is_some_and(u8::is_ascii_digit)
            && self.text.iter().all(|b| b"0123456789smhdwSMHDW".contains(b))
    }

    fn name(&self, origin: &Name) -> Option<Name> {
        if self.is("@") {
            return Some(origin.clone());
        }
        if self.is(".") {
            return Some(Name::root());
        }
        let mut labels = vec![Vec::new()];
        let mut rest = self.text.as_slice();
        while let Some((byte, more)) = take(rest) {
            if rest[0] == b'.' {
                labels.push(Vec::new());
            } else if let Some(label) = labels.last_mut() {
                label.push(byte);
            }
            rest = more;
        }
        let whole = labels.last().is_some_and(Vec::is_empty);
        if whole {
            labels.pop();
        }
        let name = Name::from_labels(labels.iter().map(Vec::as_slice)).ok()?;
        let mut name = if whole { name } else { name.append_domain(origin).ok()? };
        name.set_fqdn(true);
        Some(name)
    }
}

fn unescape(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, more)) = take(rest) {
        bytes.push(byte);
        rest = more;
    }
    bytes
}

/// One byte, `\X` or `\DDD`, and what follows.
fn take(text: &[u8]) -> Option<(u8, &[u8])> {
    match text {
        [b'\\', a @ b'0'..=b'2', b @ b'0'..=b'9', c @ b'0'..=b'9', rest @ ..] => {
            let value = [a, b, c].iter().fold(0_u16, |sum, d| sum * 10 + u16::from(**d - b'0'));
            Some((u8::try_from(value).ok()?, rest))
        }
        [b'\\', byte, rest @ ..] | [byte, rest @ ..] => Some((*byte, rest)),
        [] => None,
    }
}

/// Splits the file into entries of words.
fn entries(text: &[u8]) -> Result<Vec<Entry>, DnsError> {
    let mut entries: Vec<Entry> = Vec::new();
    let (mut line, mut depth, mut at) = (1, 0_usize, 0);
    let mut entry = Entry {
        line,
        continues: text.first().is_some_and(u8::is_ascii_whitespace),
        tokens: vec![],
    };
    while let Some(byte) = text.get(at) {
        at += 1;
        match byte {
            b'\n' => {
                line += 1;
                if depth == 0 {
                    let continues = text.get(at).is_some_and(|b| matches!(b, b' ' | b'\t'));
                    let next = Entry { line, continues, tokens: vec![] };
                    entries.push(std::mem::replace(&mut entry, next));
                }
            }
            b' ' | b'\t' | b'\r' => {}
            b';' => at += memchr::memchr(b'\n', &text[at..]).unwrap_or(text.len() - at),
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b'"' => {
                let end = end(&text[at..], |b| b == b'"')
                    .ok_or_else(|| DnsError::Zone(format!("line {line}: a quote is not closed")))?;
                entry.tokens.push(Token { text: text[at..at + end].to_vec(), quoted: true });
                at += end + 1;
            }
            _ => {
                let stops =
                    |b: u8| b.is_ascii_whitespace() || matches!(b, b';' | b'(' | b')' | b'"');
                let length = end(&text[at - 1..], stops).unwrap_or(text.len() + 1 - at);
                entry
                    .tokens
                    .push(Token { text: text[at - 1..at - 1 + length].to_vec(), quoted: false });
                at += length - 1;
            }
        }
    }
    entries.push(entry);
    entries.retain(|entry| !entry.tokens.is_empty());
    Ok(entries)
}

/// Where the first byte stands that `stops` and is not escaped.
fn end(text: &[u8], stops: impl Fn(u8) -> bool) -> Option<usize> {
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        if *byte == b'\\' {
            at += 1;
        } else if stops(*byte) {
            return Some(at);
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        records(text)
            .unwrap()
            .iter()
            .map(|record| format!("{} {}", record.name, record.data))
            .collect()
    }

    #[test]
    fn the_forms_that_people_write() {
        assert_eq!(shown("a.example 60 IN A 192.0.2.1 ; comment\n"), ["a.example. 192.0.2.1"]);
        assert_eq!(shown("a.example. IN 1h A 192.0.2.1"), ["a.example. 192.0.2.1"]);
        assert_eq!(
            shown("$TTL 300\n$ORIGIN b.example.\n@ MX 10 mx\n  MX 20 mx.c.example.\n"),
            ["b.example. 10 mx.b.example.", "b.example. 20 mx.c.example."]
        );
        assert_eq!(
            shown("s._domainkey.d.example\tIN\tTXT\t( \"v=DKIM1; \"\n\t \"p=AB\" )  ; key\n"),
            ["s._domainkey.d.example. v=DKIM1; p=AB"]
        );
        assert_eq!(shown("e.example SOA . . 1 2 3 4 5\n"), [""; 0]);
        let text = records("t.example TXT \"a\\\"b\\013\" plain\n").unwrap();
        let RData::TXT(text) = &text[0].data else { panic!() };
        assert_eq!(text.txt_data.concat(), b"a\"b\x0dplain");
    }

    #[test]
    fn mistakes_name_their_line() {
        for (text, line) in [
            ("a.example A 192.0.2.1\nb.example A 192.0.2\n", "line 2"),
            ("a.example NONSENSE x\n", "line 1"),
            ("a.example TXT \"open\n", "line 1"),
            (" A 192.0.2.1\n", "line 1"),
            ("a.example\n", "line 1"),
            ("$INCLUDE other\n", "line 1"),
        ] {
            let DnsError::Zone(words) = records(text).unwrap_err() else { panic!() };
            assert!(words.starts_with(line), "{words}");
        }
    }
}
