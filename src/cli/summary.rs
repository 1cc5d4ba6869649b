//! What `replay --summary` prints: classes and verdicts, and, where a mail's
//! folder says what it is, what each check catches alone and all together.
//!
//! Held or rejected counts as held. Intervals are Wilson's, 95 %.

use std::collections::BTreeMap;
use std::fmt;

use crate::filter::policy::Thresholds;
use crate::filter::{Class, Examination, Finding, Judgement, Verdict};

/// Counts of one run.
pub(super) struct Summary {
    thresholds: Thresholds,
    counts: BTreeMap<(&'static str, &'static str), usize>,
    /// By check: held spam, held ham.
    checks: [(usize, usize); CHECKS.len()],
    spam: usize,
    ham: usize,
    /// By tenth of the probability: mails, spam among them.
    calibration: [(usize, usize); 10],
}

/// The rows of the table.
const CHECKS: [&str; 5] =
    ["content model", "authentication", "bulk and category", "everything else", "together"];

impl Summary {
    pub fn new(thresholds: Thresholds) -> Self {
        Self {
            thresholds,
            counts: BTreeMap::new(),
            checks: Default::default(),
            spam: 0,
            ham: 0,
            calibration: Default::default(),
        }
    }

    pub fn count(&mut self, file: &str, examination: &Examination, judgement: Judgement) {
        let key = (judgement.class.as_str(), judgement.verdict.as_str());
        *self.counts.entry(key).or_default() += 1;
        let Some(spam) = is_spam(file) else { return };
        *(if spam { &mut self.spam } else { &mut self.ham }) += 1;
        let stops = matches!(judgement.verdict, Verdict::Hold | Verdict::Reject);
        let mut sums = [0.0; CHECKS.len() - 1];
        for finding in &examination.findings {
            sums[check(finding)] += finding.weight;
        }
        let is_category =
            matches!(judgement.class, Class::Marketing | Class::Poll | Class::Social | Class::Mass);
        for (place, (held_spam, held_ham)) in self.checks.iter_mut().enumerate() {
            let holds = match sums.get(place) {
                Some(sum) => *sum >= self.thresholds.hold || (place == 2 && is_category && stops),
                None => stops,
            };
            *held_spam += usize::from(holds && spam);
            *held_ham += usize::from(holds && !spam);
        }
        if let Some(probability) = examination.spam_probability {
            let tenths = &mut self.calibration;
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let (mails, spams) = &mut tenths[((probability * 10.0) as usize).min(9)];
            *mails += 1;
            *spams += usize::from(spam);
        }
    }

    pub fn mails(&self) -> usize {
        self.counts.values().sum()
    }
}

/// Which row a finding belongs to.
fn check(finding: &Finding) -> usize {
    const CONTENT: &[&str] =
        &["content", "text-hidden", "words-cut", "letters-without-width", "letters-mixed"];
    const BULK: &[&str] = &[
        "list-mail",
        "marketing",
        "poll",
        "social",
        "sending-platform",
        "discussion-list",
        "automatic",
        "mass",
        "replayed",
    ];
    const AUTHENTICATION: &[&str] = &["spf-", "dkim-", "dmarc-", "arc-", "ptr-"];
    let id = finding.id.as_str();
    if CONTENT.contains(&id) {
        0
    } else if id == "no-ptr" || id == "proved" || AUTHENTICATION.iter().any(|a| id.starts_with(a)) {
        1
    } else if BULK.contains(&id) {
        2
    } else {
        3
    }
}

/// What the innermost folder or archive that says so calls a mail.
fn is_spam(file: &str) -> Option<bool> {
    let (folders, _) = file.rsplit_once(['/', '!'])?;
    folders.rsplit(['/', '!']).find_map(|folder| {
        let words = || folder.split(|c: char| !c.is_ascii_alphanumeric());
        let is = |wanted: &str| words().any(|word| word.eq_ignore_ascii_case(wanted));
        (is("ham") || is("spam")).then(|| !is("ham"))
    })
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ((class, verdict), count) in &self.counts {
            writeln!(f, "{class:<13} {verdict:<7} {count:>7}")?;
        }
        if self.spam + self.ham == 0 {
            return Ok(());
        }
        writeln!(f, "\n{:<18} {:>28} {:>29}", "check", "spam held", "ham held")?;
        for (name, (spam, ham)) in CHECKS.iter().zip(self.checks) {
            let (spam, ham) = (share(spam, self.spam), share(ham, self.ham));
            writeln!(f, "{name:<18} {spam:>28} {ham:>29}")?;
        }
        writeln!(f, "\n{:<18} {:>7} {:>9}", "said to be spam", "mails", "are spam")?;
        for (tenth, (mails, spams)) in self.calibration.iter().enumerate() {
            let name = format!("{:>3} to {:>3} %", tenth * 10, tenth * 10 + 10);
            let percent =
                if *mails == 0 { "-".into() } else { format!("{:.1} %", rate(*spams, *mails)) };
            writeln!(f, "{name:<18} {mails:>7} {percent:>9}")?;
        }
        writeln!(f)
    }
}

#[allow(clippy::cast_precision_loss)]
fn rate(part: usize, of: usize) -> f64 {
    100.0 * part as f64 / of.max(1) as f64
}

/// `99.16 % (98.3 to 99.6)`.
#[allow(clippy::cast_precision_loss)]
pub(super) fn share(part: usize, of: usize) -> String {
    if of == 0 {
        return "-".to_owned();
    }
    let (n, p, z) = (of as f64, part as f64 / of as f64, 1.96_f64);
    let centre = (p + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let half = z / (1.0 + z * z / n) * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    let (low, high) = (100.0 * (centre - half).max(0.0), 100.0 * (centre + half).min(1.0));
    format!("{:.2} % ({low:.2} to {high:.2})", 100.0 * p)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_archives_say_what_mails_are() {
        assert_eq!(is_spam("/c/spam/1.eml"), Some(true));
        assert_eq!(is_spam("/c/hard_ham/1.eml"), Some(false));
        assert_eq!(is_spam("/c/spamassassin-ham.tar.xz!00001.eml"), Some(false));
        assert_eq!(is_spam("spamassassin-spam.tar.xz!spam_2/1.eml"), Some(true));
        assert_eq!(is_spam("/spam/ham/1.eml"), Some(false));
        assert_eq!(is_spam("/c/inbox/spam.eml"), None);
    }

    #[test]
    fn intervals_are_wilsons() {
        assert_eq!(share(0, 0), "-");
        assert_eq!(share(0, 1000), "0.00 % (0.00 to 0.38)");
        assert_eq!(share(941, 949), "99.16 % (98.35 to 99.57)");
    }
}
