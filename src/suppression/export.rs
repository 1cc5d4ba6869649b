//! Lists and logs as CSV, some thousand rows at a time: what is written, sent
//! to a browser or given to a program never lies in memory as a whole.

use super::Suppression;
use super::csv;
use super::search::Query;
use super::server::ServerId;
use crate::clock::Timestamp;
use crate::store::Fault;
use crate::store::arena::Order;

/// Rows of one piece.
const PIECE: usize = 2000;

/// What is taken home.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    Blocked,
    Exemptions,
    Errors,
    Deliveries,
}

impl What {
    pub const ALL: [Self; 4] = [Self::Blocked, Self::Exemptions, Self::Errors, Self::Deliveries];

    /// The word in addresses, and the file's name before `.csv`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::Exemptions => "exemptions",
            Self::Errors => "errors",
            Self::Deliveries => "deliveries",
        }
    }

    fn heads(self) -> &'static [&'static str] {
        match self {
            Self::Blocked => &["address", "reason", "since", "until"],
            Self::Exemptions => &["address", "reason", "at", "by", "errors", "last error"],
            Self::Errors | Self::Deliveries => &[
                "date",
                "address",
                "outcome",
                "reason",
                "subject",
                "sender",
                "return path",
                "message id",
                "response",
            ],
        }
    }
}

/// One file on its way.
pub struct Export {
    list: Suppression,
    what: What,
    server: ServerId,
    query: Query,
    /// `None`: the heading comes first.
    after: Option<Vec<u8>>,
    ended: bool,
    rows: u64,
}

impl Export {
    /// What a search finds; of lists only its `part` counts.
    pub fn new(list: &Suppression, server: ServerId, what: What, query: Query) -> Self {
        let errors_only = what == What::Errors;
        // Other orders walk through everything for each piece.
        let order = Order::default();
        let query = Query { server: Some(server), errors_only, limit: PIECE, order, ..query };
        Self { list: list.clone(), what, server, query, after: None, ended: false, rows: 0 }
    }

    /// Rows written by now, without the heading.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The next piece of the file; `None` at its end.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, Fault> {
        let Some(after) = self.after.clone() else {
            self.after = Some(Vec::new());
            return Ok(Some(csv::write([self.what.heads().to_vec()])));
        };
        if self.ended {
            return Ok(None);
        }
        let (rows, next) = match self.what {
            What::Blocked => self.blocked(&after).await?,
            What::Exemptions => self.exemptions(&after).await?,
            What::Errors | What::Deliveries => self.log(after).await?,
        };
        self.rows += rows.len() as u64;
        self.ended = next.is_none();
        self.after = Some(next.unwrap_or_default());
        Ok(Some(csv::lines(rows.iter().map(|row| row.iter().map(String::as_str).collect()))))
    }

    async fn blocked(&self, after: &[u8]) -> Result<Page, Fault> {
        let (part, after) = (&self.query.part, String::from_utf8_lossy(after));
        let page = self.list.search(self.server, part, &after, PIECE).await?;
        let next = page.last().map(|one| one.address.canonical().to_string().into_bytes());
        let rows = page.iter().map(|one| {
            // An address of several uploads has no date of its own.
            let since = Some(one.since).filter(|since| *since > Timestamp::UNIX_EPOCH);
            let reason = one.reason.as_str().to_owned();
            vec![one.address.to_string(), reason, text(since), text(one.until)]
        });
        Ok((rows.collect(), next))
    }

    async fn exemptions(&self, after: &[u8]) -> Result<Page, Fault> {
        let (part, server) = (&self.query.part, self.server);
        let (page, next) =
            self.list.exempt_addresses(server, part, (after, Order::default()), PIECE).await?;
        let rows = page.into_iter().map(|one| {
            let (reason, last) = (one.reason.as_str().to_owned(), one.last_error);
            let (errors, at) = (one.errors.to_string(), one.at.to_string());
            vec![one.address.to_string(), reason, at, one.by, errors, last.unwrap_or_default()]
        });
        Ok((rows.collect(), next))
    }

    async fn log(&self, after: Vec<u8>) -> Result<Page, Fault> {
        let (page, next) = self.list.events(&Query { after, ..self.query.clone() }).await?;
        let rows = page.into_iter().map(|one| {
            let outcome = one.outcome.as_str().to_owned();
            vec![
                one.at.to_string(),
                one.address,
                outcome,
                one.class,
                one.subject,
                one.sender,
                one.return_path,
                one.message_id,
                one.response,
            ]
        });
        Ok((rows.collect(), next))
    }
}

/// Rows, and the cursor behind them.
type Page = (Vec<Vec<String>>, Option<Vec<u8>>);

fn text(at: Option<Timestamp>) -> String {
    at.map(|at| at.to_string()).unwrap_or_default()
}
