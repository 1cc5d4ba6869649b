//! Every table and every index, by the byte that its keys begin with.
//!
//! A number is never used again for something else. Primary keys are
//! `table byte, key`; index keys are `index byte, index key, primary key`, with
//! the primary key as their value.

/// A table of records. The number stands on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Table {
    /// Held messages, by id.
    Held = 0x01,
    /// The delivery queue, by item id.
    Item = 0x02,
    /// What we think of a sender, by identity.
    Standing = 0x03,
    /// Counters of budgets and limits, by their name and window.
    Counter = 0x04,
    /// Letters sent, by the sender's address.
    Notice = 0x05,
    /// Addresses that we do not write to.
    Suppression = 0x06,
    /// Addresses that our organisations write to.
    Correspondent = 0x07,
    /// Outcomes of the last letters: one record.
    Breaker = 0x08,
    /// Votes that the content model has not heard yet, by time.
    Vote = 0x09,
    /// What it was taught, by the first message.
    Lesson = 0x0a,
    /// Messages that were never held, as recipients reported them.
    Reported = 0x0b,
    /// What came from networks and domains before, by their name.
    History = 0x70,
    /// Mailboxes of our organisations, by base address.
    Recipient = 0x20,
    /// Blocks and allowances that people made.
    Rule = 0x21,
    /// Recipients' flags, by the sender's and the recipient's hash.
    Flag = 0x22,
    /// Recipients' sessions, by the hash of their secret.
    RecipientSession = 0x23,
    /// Appeals, by sender and campaign.
    Appeal = 0x24,
    /// When administrators were told of appeals, by login.
    AppealTold = 0x25,
    /// What the console changed about organisations, by their id.
    Overlay = 0x26,
    /// Administrators, by login.
    Account = 0x40,
    /// Their sessions, by the hash of the cookie's secret.
    Session = 0x41,
    /// Bearer tokens of the API, by hash.
    ApiToken = 0x42,
    /// Every decision, the latest first.
    Audit = 0x43,
    /// Strikes of addresses, by address and server.
    SuppressionCount = 0x60,
    /// Addresses that may not be suppressed.
    SuppressionExemption = 0x61,
    /// Mail servers that the list is kept for.
    SuppressionServer = 0x62,
    /// The delivery log, by time.
    SuppressionEvent = 0x63,
    /// Distributions, by server and version.
    SuppressionDistributed = 0x64,
    /// What providers answered lately, by server and domain.
    SuppressionWindow = 0x65,
    /// Uploaded lists, by server and id.
    SuppressionImport = 0x66,
    /// Their addresses, by server, id and number.
    SuppressionBlock = 0x67,
    /// Uploaded addresses that were released.
    SuppressionLifted = 0x68,
    /// Who may download lists and logs, by organisation.
    SuppressionInquiry = 0x69,
    /// How far logs of other mail servers were read, by path.
    SuppressionLog = 0x6a,
    /// Answers to requests with an idempotency key.
    Answered = 0x44,
    /// Hourly counts.
    Hour = 0x45,
    /// Findings whose weight an operator took down, by id.
    Demotion = 0x46,
    /// Decisions about many messages that are being carried out, by id.
    Job = 0x47,
}

/// An index over a table. The number stands on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Index {
    HeldByReference = 0x81,
    HeldByFingerprint = 0x82,
    /// By the time at which the message expires.
    HeldDue = 0x83,
    /// By the proved address of the sender.
    HeldBySender = 0x84,
    /// Lessons by each quarter of their text's digest.
    LessonByText = 0x89,
    /// By the number of their last change to the model.
    LessonByNumber = 0x8a,
    /// By the time at which they are forgotten.
    LessonEnds = 0x8b,
    /// By the held messages that people spoke about.
    LessonByMessage = 0x8c,
    /// Reported messages by the time at which they are forgotten.
    ReportedEnds = 0x8d,
    /// By the time of the next attempt.
    ItemDue = 0x85,
    /// Items that failed, by the time at which they are forgotten.
    ItemKept = 0x86,
    RecipientById = 0xa0,
    /// By the time at which the next digest is due.
    RecipientDue = 0xa1,
    FlagByRecipient = 0xa2,
    /// Held messages by the hash of their recipients.
    HeldByRecipient = 0xa3,
    SessionByRecipient = 0xa4,
    SessionEnds = 0xa5,
    /// Open appeals by deadline, closed ones by when that was.
    AppealDue = 0xa6,
    AppealByHeld = 0xa7,
    /// Rules by the time at which they end.
    RuleEnds = 0xa8,
    SessionByLogin = 0xc0,
    /// Suppressed addresses by server and the time of their release.
    SuppressedUntil = 0xe0,
    /// Addresses that have their strikes and wait for a run, by server.
    CountDue = 0xe1,
    AnsweredDue = 0xc1,
}

impl Table {
    /// The stored form of a primary key.
    pub fn key(self, key: &[u8]) -> Vec<u8> {
        prefixed(self as u8, key)
    }

    /// The first stored key behind this table.
    pub fn end(self) -> Vec<u8> {
        vec![self as u8 + 1]
    }
}

impl Index {
    /// The stored form of an index key (without its primary key).
    pub fn key(self, key: &[u8]) -> Vec<u8> {
        prefixed(self as u8, key)
    }
}

fn prefixed(first: u8, rest: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + rest.len());
    key.push(first);
    key.extend_from_slice(rest);
    key
}
