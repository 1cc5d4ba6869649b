//! What Postfix writes in its log becomes outcomes.
//!
//! Lines of smtp(8), lmtp(8) and bounce: `QID: to=<…>, relay=…, dsn=…,
//! status=…`; qmgr(8) and cleanup(8) tell sender and Message-ID by the same
//! queue id. Lines are text of strangers: bounded, and what does not fit is
//! left out. A file that was rotated is read from its new beginning.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::distribute::ANSWER;
use super::event::Outcome;
use super::learn::Noted;
use super::record::LogPosition;
use super::server::ServerId;
use crate::clock::Timestamp;
use crate::mail::Address;

/// Messages whose sender is remembered.
const REMEMBERED: usize = 10_000;
/// Bytes of a line that are read.
const LINE: usize = 8 << 10;

/// Makes outcomes of lines.
#[derive(Debug, Default)]
pub struct Reader {
    senders: HashMap<String, (String, String)>,
}

impl Reader {
    /// The outcome that a line tells of, if it does. `now` gives the year to
    /// lines with the old date, which has none.
    pub fn line(&mut self, server: ServerId, line: &str, now: Timestamp) -> Option<Noted> {
        let line = cut(line);
        let (at, rest) = time(line, now)?;
        let (program, words) = rest.split_once("]: ")?;
        if !program.contains("postfix") {
            return None;
        }
        let (queue_id, words) = words.split_once(": ")?;
        if queue_id == "NOQUEUE" {
            return refused(server, words, at);
        }
        if queue_id.is_empty() || !queue_id.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return None;
        }
        let of_recipient = words.contains("status=");
        if let Some(sender) = between(words, "from=<", ">").filter(|_| !of_recipient) {
            sender.clone_into(&mut self.entry(queue_id).0);
            return None;
        }
        if let Some(id) = between(words, "message-id=<", ">").filter(|_| !of_recipient) {
            id.clone_into(&mut self.entry(queue_id).1);
            return None;
        }
        let to = between(words, "to=<", ">")?;
        let status = between(words, "status=", " ")?;
        let outcome = match status {
            "sent" => Outcome::Succeeded,
            "deferred" => Outcome::Deferred,
            "bounced" | "expired" => Outcome::Failed,
            _ => return None,
        };
        let address = Address::parse_utf8(to).ok()?;
        let words = words.split_once("status=")?.1;
        let reply =
            words.split_once('(').map_or("", |(_, reply)| reply.trim_end().trim_end_matches(')'));
        // Postfix's own dsn= stands for what the words do not say.
        let dsn = between(line, "dsn=", ",").unwrap_or_default();
        let told = if reply.contains(dsn) { reply.to_owned() } else { format!("{dsn} {reply}") };
        let mut noted = Noted::new(server, address, at, outcome).answered(None, &told);
        queue_id.clone_into(&mut noted.id);
        if let Some((sender, id)) = self.senders.get(queue_id) {
            noted.return_path.clone_from(sender);
            noted.message_id.clone_from(id);
        }
        Some(noted)
    }

    fn entry(&mut self, queue_id: &str) -> &mut (String, String) {
        if self.senders.len() >= REMEMBERED {
            self.senders.clear();
        }
        self.senders.entry(queue_id.to_owned()).or_default()
    }
}

/// smtpd(8): `reject: RCPT from …: 554 5.7.1 <to>: Recipient address rejected:
/// …; from=<…> to=<…> proto=…`, where the words are our list's.
fn refused(server: ServerId, words: &str, at: Timestamp) -> Option<Noted> {
    let (_, reply) = words.strip_prefix("reject: RCPT from ")?.split_once(": ")?;
    let (reply, envelope) = reply.rsplit_once("; from=<")?;
    if !reply.contains(ANSWER.trim_start_matches("554 5.7.1 ")) {
        return None;
    }
    let address = Address::parse_utf8(between(envelope, " to=<", ">")?).ok()?;
    let mut noted = Noted::new(server, address, at, Outcome::Blocked);
    cut(reply).clone_into(&mut noted.response);
    let from = envelope.split_once('>').map_or("", |(from, _)| from);
    from.clone_into(&mut noted.return_path);
    words.clone_into(&mut noted.id);
    Some(noted)
}

/// `2026-11-23T04:05:06.789012+02:00 host rest` or `Nov 23 04:05:06 host rest`
/// (RFC 3164, local time of the log's writer taken as UTC).
fn time(line: &str, now: Timestamp) -> Option<(Timestamp, &str)> {
    let (first, rest) = line.split_once(' ')?;
    if let Ok(at) = first.parse::<Timestamp>() {
        return Some((at, rest));
    }
    let stamp = line.get(..15)?;
    let rest = line.get(16..)?;
    let year = now.to_zoned(jiff::tz::TimeZone::UTC).year();
    let of = |year: i16| {
        let text = format!("{year} {}", stamp.replace("  ", " "));
        jiff::fmt::strtime::parse("%Y %b %d %H:%M:%S", text).ok()?.to_datetime().ok()
    };
    let utc = |date: jiff::civil::DateTime| date.to_zoned(jiff::tz::TimeZone::UTC).ok();
    let at = utc(of(year)?)?.timestamp();
    // A line of last December that is read in January.
    let at = if at > now + crate::clock::SignedDuration::from_hours(48) {
        utc(of(year - 1)?)?.timestamp()
    } else {
        at
    };
    Some((at, rest))
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let at = text.find(start)? + start.len();
    // `orig_to=<` is another field.
    if start == "to=<" && text[..at].ends_with("orig_to=<") {
        return between(&text[at..], start, end);
    }
    let rest = &text[at..];
    Some(rest.find(end).map_or(rest, |end| &rest[..end]))
}

fn cut(line: &str) -> &str {
    let mut end = line.len().min(LINE);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    &line[..end]
}

/// A log file that grows, and is rotated.
#[derive(Debug)]
pub struct Tail {
    path: PathBuf,
    file: Option<Open>,
    partial: Vec<u8>,
}

#[derive(Debug)]
struct Open {
    reader: BufReader<File>,
    inode: u64,
    /// Behind the last whole line.
    offset: u64,
}

impl Tail {
    /// Begins at the end of the file, or at its beginning with `from_start`.
    ///
    /// # Errors
    /// If the file is there but cannot be read.
    pub fn open(path: &Path, from_start: bool) -> io::Result<Self> {
        let mut tail = Self { path: path.to_owned(), file: None, partial: Vec::new() };
        tail.file = open(path)?;
        if let (Some(open), false) = (&mut tail.file, from_start) {
            open.offset = open.reader.seek(SeekFrom::End(0))?;
        }
        Ok(tail)
    }

    /// Goes on where an earlier reader stopped, also if the file was rotated
    /// to `….1` or `….0` since then.
    ///
    /// # Errors
    /// If a file is there but cannot be read.
    pub fn resume(path: &Path, position: &LogPosition) -> io::Result<Self> {
        let mut tail = Self { path: path.to_owned(), file: None, partial: Vec::new() };
        for name in [path.to_owned(), rotated(path, "1"), rotated(path, "0")] {
            let Some(mut open) = open(&name)? else { continue };
            let length = open.reader.get_ref().metadata()?.len();
            if open.inode == position.inode && position.offset <= length {
                open.offset = open.reader.seek(SeekFrom::Start(position.offset))?;
                tail.file = Some(open);
                return Ok(tail);
            }
        }
        // It was rotated more than once, or cut: what stands there is new.
        tail.file = open(path)?;
        Ok(tail)
    }

    /// Behind the last whole line that [`Tail::lines`] has given.
    pub fn position(&self) -> Option<LogPosition> {
        let path = self.path.display().to_string();
        self.file.as_ref().map(|open| LogPosition { path, inode: open.inode, offset: open.offset })
    }

    /// The whole lines that came since the last call, at most `limit`.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn lines(&mut self, limit: usize) -> io::Result<Vec<String>> {
        let mut lines = Vec::new();
        for _ in 0..2 {
            self.read(&mut lines, limit)?;
            if lines.len() >= limit || !self.is_rotated()? {
                break;
            }
            // Written between the reading and the rotation.
            self.read(&mut lines, limit)?;
            if lines.len() >= limit {
                break;
            }
            self.partial.clear();
            self.file = open(&self.path)?;
        }
        Ok(lines)
    }

    fn read(&mut self, lines: &mut Vec<String>, limit: usize) -> io::Result<()> {
        let Some(open) = &mut self.file else { return Ok(()) };
        while lines.len() < limit && open.reader.read_until(b'\n', &mut self.partial)? > 0 {
            if self.partial.ends_with(b"\n") {
                open.offset += self.partial.len() as u64;
                lines.push(String::from_utf8_lossy(&self.partial).trim_end().to_owned());
                self.partial.clear();
            }
        }
        Ok(())
    }

    fn is_rotated(&mut self) -> io::Result<bool> {
        let now = match std::fs::metadata(&self.path) {
            Ok(now) => now,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        Ok(self.file.as_ref().is_none_or(|open| open.inode != now.ino() || open.offset > now.len()))
    }
}

fn open(path: &Path) -> io::Result<Option<Open>> {
    match File::open(path) {
        Ok(file) => {
            let inode = file.metadata()?.ino();
            Ok(Some(Open { reader: BufReader::new(file), inode, offset: 0 }))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn rotated(path: &Path, number: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(number);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::classify::Class;
    use super::*;

    const LOG: &str = "\
2026-11-23T04:05:00.000001+00:00 mx postfix/cleanup[7]: ABC12: message-id=<m1@x.example>
2026-11-23T04:05:00.000002+00:00 mx postfix/qmgr[8]: ABC12: from=<s@x.example>, size=100, nrcpt=2 (queue active)
2026-11-23T04:05:01.000003+00:00 mx postfix/smtp[9]: ABC12: to=<a@b.example>, orig_to=<z@x.example>, relay=mx.b.example[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (host mx.b.example[192.0.2.1] said: 550 5.1.1 <a@b.example>: User unknown (in reply to RCPT TO command))
Nov 23 04:05:02 mx postfix/smtp[9]: ABC12: to=<c@d.example>, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (connect to mx.d.example[192.0.2.2]:25: Connection timed out)
Nov 23 04:05:03 mx postfix/smtp[9]: DEF34: to=<e@f.example>, relay=mx.f.example[192.0.2.3]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 2.0.0 Ok)
Nov 23 04:05:04 mx dovecot: lda: nothing of ours";

    #[test]
    fn lines_of_postfix_become_outcomes() {
        let (mut reader, now) = (Reader::default(), "2026-11-23T05:00:00Z".parse().unwrap());
        let noted: Vec<Noted> = LOG.lines().filter_map(|line| reader.line(3, line, now)).collect();
        let [failed, deferred, sent] = &noted[..] else { panic!("{noted:?}") };
        assert_eq!(
            (failed.address.to_string(), failed.class),
            ("a@b.example".to_owned(), Class::UnknownUser)
        );
        assert_eq!(
            (&failed.return_path[..], &failed.message_id[..]),
            ("s@x.example", "m1@x.example")
        );
        assert_eq!((deferred.outcome, deferred.class), (Outcome::Deferred, Class::ResendTimeout));
        assert_eq!(deferred.at, "2026-11-23T04:05:02Z".parse::<Timestamp>().unwrap());
        assert_eq!((sent.outcome, sent.class, sent.server), (Outcome::Succeeded, Class::None, 3));
    }

    #[test]
    fn a_rotated_file_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mail.log");
        std::fs::write(&path, "old\n").unwrap();
        let mut tail = Tail::open(&path, false).unwrap();
        let append = |text: &str| {
            let mut file =
                std::fs::OpenOptions::new().append(true).create(true).open(&path).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        };
        append("one\ntw");
        assert_eq!(tail.lines(10).unwrap(), ["one"]);
        append("o\n");
        assert_eq!(tail.lines(10).unwrap(), ["two"]);
        std::fs::rename(&path, folder.path().join("mail.log.1")).unwrap();
        append("three\n");
        assert_eq!(tail.lines(10).unwrap(), ["three"]);

        // Stopped, written to, rotated, written to: nothing is lost or read twice.
        let position = tail.position().unwrap();
        append("four\n");
        std::fs::rename(&path, folder.path().join("mail.log.1")).unwrap();
        append("five\n");
        let mut tail = Tail::resume(&path, &position).unwrap();
        assert_eq!(tail.lines(10).unwrap(), ["four", "five"]);
        // Cut in its place (copytruncate): read from its beginning.
        std::fs::write(&path, "6\n").unwrap();
        assert_eq!(tail.lines(10).unwrap(), ["6"]);
    }

    #[test]
    fn a_refusal_by_our_list_is_a_blocking_address() {
        let now = "2026-11-23T05:00:00Z".parse().unwrap();
        let line = format!(
            "2026-11-23T04:05:00+00:00 mx postfix/smtpd[7]: NOQUEUE: reject: RCPT from \
             mua.x.example[192.0.2.9]: 554 5.7.1 <a@b.example>: Recipient address rejected: {}; \
             from=<s@x.example> to=<a@b.example> proto=ESMTP helo=<mua.x.example>",
            ANSWER.trim_start_matches("554 5.7.1 ")
        );
        let noted = Reader::default().line(3, &line, now).unwrap();
        assert_eq!(
            (noted.outcome, noted.address.to_string()),
            (Outcome::Blocked, "a@b.example".to_owned())
        );
        assert_eq!(noted.return_path, "s@x.example");
        let other = line.replace("delivery blocking list", "whim");
        assert!(Reader::default().line(3, &other, now).is_none());
    }
}
