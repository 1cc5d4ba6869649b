//! Logs of other mail servers, followed for as long as the service runs.
//!
//! How far a log was read is kept in the store behind what was learnt from it:
//! after a crash some lines are read again, and tell nothing new. A log that
//! is seen for the first time begins at its end.

use std::path::{Path, PathBuf};

use super::event::Outcome;
use super::record::LogPosition;
use super::tail::{Reader, Tail};
use super::way::Way;
use super::{OWN, Refused, ServerId, Suppression};
use crate::store::{Batch, Fault};

/// Lines between two positions that are kept.
const LINES: usize = 1000;

/// One log of one server.
pub struct Follow {
    list: Suppression,
    server: ServerId,
    path: PathBuf,
    reader: Reader,
    tail: Option<Tail>,
    kept: Option<LogPosition>,
}

/// What was read in one go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Read {
    pub lines: usize,
    pub outcomes: usize,
    pub suppressed: usize,
}

impl Follow {
    /// A log that is followed from where it was left.
    pub fn new(list: Suppression, server: ServerId, path: &Path) -> Self {
        let path = path.to_owned();
        Self { list, server, path, reader: Reader::default(), tail: None, kept: None }
    }

    /// Reads what has come, at most some thousand lines, and keeps how far it
    /// is.
    ///
    /// # Errors
    /// [`Refused`]: the same lines are read again then.
    pub async fn step(&mut self) -> Result<Read, Refused> {
        let mut tail = match self.tail.take() {
            Some(tail) => tail,
            None => self.resume().await?,
        };
        let lines = tail.lines(LINES).map_err(|error| Refused::File(error.to_string()))?;
        let read = self.list.learn_from(self.server, &mut self.reader, &lines).await?;
        self.keep(tail.position()).await?;
        self.tail = Some(tail);
        Ok(read)
    }

    async fn resume(&mut self) -> Result<Tail, Refused> {
        if self.server != OWN && self.list.known(self.server).await?.is_none() {
            return Err(Refused::NoServer(self.server));
        }
        let key = self.path.display().to_string();
        let row = self.list.store().find::<LogPosition>(key.as_bytes()).await?;
        self.kept = row.map(|row| row.record);
        let tail = match &self.kept {
            Some(position) => Tail::resume(&self.path, position),
            None => Tail::open(&self.path, false),
        };
        tail.map_err(|error| Refused::File(error.to_string()))
    }

    async fn keep(&mut self, position: Option<LogPosition>) -> Result<(), Fault> {
        let Some(position) = position.filter(|new| self.kept.as_ref() != Some(new)) else {
            return Ok(());
        };
        let store = self.list.store();
        let row = store.find::<LogPosition>(position.path.as_bytes()).await?;
        let mut batch = Batch::new();
        batch.upsert(row.as_ref(), &position);
        self.list.write(batch).await?;
        self.kept = Some(position);
        Ok(())
    }
}

impl Suppression {
    /// Reads a whole log once; its position is not kept.
    ///
    /// # Errors
    /// [`Refused`] if it cannot be read, or the store not written.
    pub async fn read_log(&self, server: ServerId, path: &Path) -> Result<Read, Refused> {
        let unread = |error: std::io::Error| Refused::File(error.to_string());
        let mut tail = Tail::open(path, true).map_err(unread)?;
        let (mut reader, mut all) = (Reader::default(), Read::default());
        loop {
            let lines = tail.lines(LINES).map_err(unread)?;
            if lines.is_empty() {
                return Ok(all);
            }
            let read = self.learn_from(server, &mut reader, &lines).await?;
            all.lines += read.lines;
            all.outcomes += read.outcomes;
            all.suppressed += read.suppressed;
        }
    }

    async fn learn_from(
        &self,
        server: ServerId,
        reader: &mut Reader,
        lines: &[String],
    ) -> Result<Read, Fault> {
        // What a live lookup refused is in the log already.
        let asks = self.server(server).await?.record.way == Way::Socketmap;
        let mut read = Read { lines: lines.len(), ..Read::default() };
        for line in lines {
            let Some(noted) = reader.line(server, line, self.clock.now()) else { continue };
            if noted.outcome == Outcome::Blocked && asks {
                continue;
            }
            read.outcomes += 1;
            read.suppressed += usize::from(self.note(&noted).await?);
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::clock::Clock;
    use crate::mail::Address;
    use crate::store::Store;
    use crate::suppression::Server;

    fn line(second: u32, to: &str) -> String {
        format!(
            "2026-11-23T04:05:{second:02}+00:00 mx postfix/smtp[9]: Q{second}: to=<{to}>, \
             relay=mx.b.example[192.0.2.1]:25, delay=1, dsn=5.1.1, status=bounced (host \
             mx.b.example[192.0.2.1] said: 550 5.1.1 <{to}>: User unknown (in reply to RCPT TO \
             command))\n"
        )
    }

    #[tokio::test]
    async fn a_log_is_followed_across_a_restart_and_a_rotation() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mail.log");
        let append = |text: &str| {
            let mut file = std::fs::File::options().append(true).create(true).open(&path).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        };
        let list = Suppression::new(Store::in_memory(), Clock::system());
        list.add_server(&Server::new(1, "mx", Way::Socketmap), "test").await.unwrap();
        append(&line(0, "before@b.example"));
        let mut follow = Follow::new(list.clone(), 1, &path);
        assert_eq!(follow.step().await.unwrap().outcomes, 0);
        append(&line(1, "one@b.example"));
        let read = Read { lines: 1, outcomes: 1, suppressed: 1 };
        assert_eq!(follow.step().await.unwrap(), read);

        append(&line(2, "two@b.example"));
        std::fs::rename(&path, folder.path().join("mail.log.1")).unwrap();
        append(&line(3, "three@b.example"));
        let mut follow = Follow::new(list.clone(), 1, &path);
        assert_eq!(follow.step().await.unwrap().suppressed, 2);
        let covers =
            async |text: &str| list.covers_for(1, &Address::parse(text).unwrap()).await.unwrap();
        for known in ["one@b.example", "two@b.example", "three@b.example"] {
            assert!(covers(known).await, "{known}");
        }
        assert!(!covers("before@b.example").await);
        assert_eq!(follow.step().await.unwrap(), Read::default());
    }
}
