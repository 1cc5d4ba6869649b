//! May a letter be written? One pure function, and it refuses by default.
//!
//! A letter to an address that somebody else wrote into a mail is
//! backscatter, so everything must speak for it: the address is proved, the
//! mail was written by a person (RFC 3834), and the budgets have room.
//! Whoever is refused here is told by the SMTP reply while the session lasts.

/// What the reverse-path of the message looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PathKind {
    /// `<>`: a notification, never answered (RFC 3834 section 2).
    #[default]
    Null,
    /// A forwarder's SRS0=, SRS1= or +SRS=: never decoded.
    Rewritten,
    /// A list's or a daemon's: owner-, -request, -bounces, MAILER-DAEMON.
    List,
    Plain,
}

/// Everything that the decision depends on. The default refuses in each field.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "facts are what a yes or no is known of")]
pub struct Facts {
    /// `reprieve check` has seen SPF, DKIM, DMARC and PTR of the notice domain
    /// right, and we have a key to sign with.
    pub ready: bool,
    /// Too few letters bounced lately to stop.
    pub breaker_closed: bool,
    /// SPF or DKIM passes, aligned with RFC5322.From.
    pub proved: bool,
    /// The address that we would write to is of that proved domain too.
    pub aligned: bool,
    pub path: PathKind,
    /// Neither automatic, bulk nor list mail (RFC 3834, RFC 2369).
    pub personal: bool,
    /// Neither our own letter nor an address of the notice domain.
    pub foreign: bool,
    /// The address is a person's: not noreply@ and the like; and ASCII.
    pub answerable: bool,
    /// Neither malware nor phishing.
    pub harmless: bool,
    /// The address is not suppressed.
    pub welcome: bool,
    pub score: f32,
    /// From this score on no letter is written.
    pub ceiling: f32,
    /// No letter to this address in the last 24 hours.
    pub rested: bool,
    /// Letters to the sender's domain in this hour, and their limit.
    pub to_domain: Spent,
    /// Letters of the whole system in this hour, and their limit.
    pub in_all: Spent,
}

/// So many of a budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    pub count: u32,
    pub limit: u32,
}

/// The first reason against a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the notice domain has not been checked, or there is no key to sign with")]
    NotReady,
    #[error("too many letters bounced: the breaker is open")]
    BreakerOpen,
    #[error("the sender's address is not proved")]
    Unproved,
    #[error("the reverse-path is null, rewritten or a list's")]
    Path,
    #[error("the message is automatic, bulk or list mail")]
    Automatic,
    #[error("the message is a letter of our own")]
    OwnLetter,
    #[error("nobody reads mail to that address")]
    Unanswerable,
    #[error("the message is malware or phishing")]
    Harmful,
    #[error("the address is suppressed")]
    Suppressed,
    #[error("the score is above the ceiling")]
    Score,
    #[error("the budget of the address, its domain or the system is spent")]
    Budget,
}

impl Facts {
    /// The same with the best that records could say. If even this refuses,
    /// they need not be read: the usual case, an unproved sender, ends there.
    #[must_use]
    pub(super) fn at_best(&self) -> Self {
        let room = Spent { count: 0, limit: 1 };
        Self {
            breaker_closed: true,
            welcome: true,
            rested: true,
            to_domain: room,
            in_all: room,
            ..*self
        }
    }
}

impl Spent {
    fn has_room(self) -> bool {
        self.count < self.limit
    }
}

/// Whether a letter may be written; see the module.
///
/// # Errors
/// [`Refused`]: the first reason against it.
pub fn may_notify(facts: &Facts) -> Result<(), Refused> {
    let within_budget = facts.rested && facts.to_domain.has_room() && facts.in_all.has_room();
    let all = [
        (facts.ready, Refused::NotReady),
        (facts.proved && facts.aligned, Refused::Unproved),
        (facts.path == PathKind::Plain, Refused::Path),
        (facts.personal, Refused::Automatic),
        (facts.foreign, Refused::OwnLetter),
        (facts.answerable, Refused::Unanswerable),
        (facts.harmless, Refused::Harmful),
        // A score that is not a number is not below anything.
        (facts.score < facts.ceiling, Refused::Score),
        (facts.breaker_closed, Refused::BreakerOpen),
        (facts.welcome, Refused::Suppressed),
        (within_budget, Refused::Budget),
    ];
    all.into_iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, refused)| Err(refused))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Facts with nothing against a letter.
    pub fn in_favour() -> Facts {
        Facts {
            ready: true,
            breaker_closed: true,
            proved: true,
            aligned: true,
            path: PathKind::Plain,
            personal: true,
            foreign: true,
            answerable: true,
            harmless: true,
            welcome: true,
            score: 6.0,
            ceiling: 15.0,
            rested: true,
            to_domain: Spent { count: 9, limit: 10 },
            in_all: Spent { count: 199, limit: 200 },
        }
    }

    #[test]
    fn the_default_refuses() {
        assert!(may_notify(&Facts::default()).is_err());
        assert_eq!(may_notify(&in_favour()), Ok(()));
    }

    #[test]
    fn each_reason_refuses_by_itself() {
        type Change = fn(&mut Facts);
        let table: [(Change, Refused); 20] = [
            (|f| f.ready = false, Refused::NotReady),
            (|f| f.breaker_closed = false, Refused::BreakerOpen),
            (|f| f.proved = false, Refused::Unproved),
            (|f| f.aligned = false, Refused::Unproved),
            (|f| f.path = PathKind::Null, Refused::Path),
            (|f| f.path = PathKind::Rewritten, Refused::Path),
            (|f| f.path = PathKind::List, Refused::Path),
            (|f| f.personal = false, Refused::Automatic),
            (|f| f.foreign = false, Refused::OwnLetter),
            (|f| f.answerable = false, Refused::Unanswerable),
            (|f| f.harmless = false, Refused::Harmful),
            (|f| f.welcome = false, Refused::Suppressed),
            (|f| f.score = 15.0, Refused::Score),
            (|f| f.score = f32::INFINITY, Refused::Score),
            (|f| f.score = f32::NAN, Refused::Score),
            (|f| f.ceiling = f32::NAN, Refused::Score),
            (|f| f.rested = false, Refused::Budget),
            (|f| f.to_domain.count = 10, Refused::Budget),
            (|f| f.in_all.count = 200, Refused::Budget),
            (|f| f.in_all.limit = 0, Refused::Budget),
        ];
        for (change, refused) in table {
            let mut facts = in_favour();
            change(&mut facts);
            assert_eq!(may_notify(&facts), Err(refused), "{facts:?}");
        }
    }

    /// Every combination of every fact at both sides of its edge: only one
    /// allows a letter.
    #[test]
    fn of_all_combinations_one_allows() {
        let mut allowed = 0;
        for bits in 0u32..1 << 12 {
            let bit = |place: u32| bits >> place & 1 == 1;
            for path in [PathKind::Null, PathKind::Rewritten, PathKind::List, PathKind::Plain] {
                for (score, count, total) in
                    [(14.9, 9, 199), (15.0, 9, 199), (14.9, 10, 199), (14.9, 9, 200)]
                {
                    let facts = Facts {
                        ready: bit(0),
                        breaker_closed: bit(1),
                        proved: bit(2),
                        aligned: bit(3),
                        path,
                        personal: bit(4),
                        foreign: bit(5),
                        answerable: bit(6),
                        harmless: bit(7),
                        welcome: bit(8),
                        rested: bit(9),
                        score,
                        ceiling: 15.0,
                        to_domain: Spent { count, limit: if bit(10) { 10 } else { 0 } },
                        in_all: Spent { count: total, limit: if bit(11) { 200 } else { 0 } },
                    };
                    allowed += u32::from(may_notify(&facts).is_ok());
                }
            }
        }
        assert_eq!(allowed, 1);
    }
}
