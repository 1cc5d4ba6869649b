//! The table of DESIGN section 2.5, and every combination of its inputs.

use std::net::IpAddr;

use super::*;
use crate::directory::{Contact, OrganisationId};
use crate::filter::Finding;
use crate::mail::{Address, Scan};
use crate::reputation::{Network, Proof, Proofs, Sender};

const CLASSES: [Class; 8] = [
    Class::Malware,
    Class::Unscannable,
    Class::Phishing,
    Class::Impersonated,
    Class::Marketing,
    Class::Poll,
    Class::Social,
    Class::Mass,
];
const REGARDS: [Regard; 5] =
    [Regard::Unknown, Regard::Trusted, Regard::OverCeiling, Regard::Revoked, Regard::Barred];
const RULES: [Option<RuleAction>; 3] = [None, Some(RuleAction::Block), Some(RuleAction::Allow)];
const CHOICES: [Choice; 3] = [Choice::Deliver, Choice::Hold, Choice::Reject];

fn organisation(choice: Choice, hold_first_contact: bool) -> Organisation {
    Organisation {
        id: OrganisationId::new("demo").unwrap(),
        name: "Demo Oy".into(),
        domains: vec![],
        contact: Contact {
            postmaster: Address::parse("postmaster@demo.example").unwrap(),
            telephone: None,
            hours: None,
        },
        language: "en".into(),
        host: None,
        colour: None,
        retention_days: 14,
        told: crate::directory::Told::Letter,
        marketing: choice,
        poll: choice,
        social: choice,
        mass: Choice::Hold,
        hold_first_contact,
        rules: vec![],
        digest: crate::directory::Digest::default(),
        people_choose: true,
        sentence: None,
        logo: None,
    }
}

fn examination(classes: &[Class], score: f32, proved: bool) -> Examination {
    Examination {
        scan: Scan::default(),
        findings: vec![],
        sender: Sender {
            address: Some(Address::parse("a@sender.example").unwrap()),
            proofs: if proved { Proofs::NONE.with(Proof::Dkim) } else { Proofs::NONE },
            network: Network::of(IpAddr::from([192, 0, 2, 1])),
        },
        classes: classes.to_vec(),
        score,
        authentication: String::new(),
        automatic: false,
        attachments: 0,
        discussion_list: false,
        spam_probability: None,
    }
}

#[allow(clippy::struct_excessive_bools)]
struct Case {
    classes: &'static [Class],
    score: f32,
    proved: bool,
    regard: Regard,
    rule: Option<RuleAction>,
    choice: Choice,
    first_contact: bool,
    correspondent: bool,
    role: bool,
}

const PLAIN: Case = Case {
    classes: &[],
    score: 0.0,
    proved: true,
    regard: Regard::Unknown,
    rule: None,
    choice: Choice::Deliver,
    first_contact: false,
    correspondent: false,
    role: false,
};

impl Case {
    fn judge(&self) -> (Class, Verdict, Door) {
        let organisation = organisation(self.choice, self.first_contact);
        let view = View {
            organisation: &organisation,
            rule: self.rule,
            choices: crate::directory::Choices::default(),
            regard: self.regard,
            correspondent: self.correspondent,
            role_address: self.role,
        };
        let examination = examination(self.classes, self.score, self.proved);
        let judgement = decide(&examination, &view, &Thresholds::default());
        (judgement.class, judgement.verdict, judgement.door)
    }
}

#[test]
#[allow(clippy::too_many_lines)]
fn the_table_of_classes() {
    use Class::*;
    use Door::{Appeal, Ask, Closed, Release};
    use RuleAction::{Allow, Block};
    use Verdict::{Accept, Hold, Reject};
    let table: Vec<(&str, Case, (Class, Verdict, Door))> = vec![
        ("clean", PLAIN, (Clean, Accept, Closed)),
        ("malware", Case { classes: &[Malware], ..PLAIN }, (Malware, Reject, Closed)),
        (
            "malware to postmaster from a trusted, allowed sender",
            Case {
                classes: &[Malware],
                role: true,
                regard: Regard::Trusted,
                rule: Some(Allow),
                ..PLAIN
            },
            (Malware, Reject, Closed),
        ),
        ("unscannable", Case { classes: &[Unscannable], ..PLAIN }, (Unscannable, Hold, Ask)),
        (
            "unscannable, trusted",
            Case { classes: &[Unscannable], regard: Regard::Trusted, ..PLAIN },
            (Unscannable, Hold, Ask),
        ),
        ("phishing", Case { classes: &[Phishing], ..PLAIN }, (Phishing, Reject, Closed)),
        (
            "phishing, trusted",
            Case { classes: &[Phishing], regard: Regard::Trusted, ..PLAIN },
            (Phishing, Reject, Closed),
        ),
        ("impersonated", Case { classes: &[Impersonated], ..PLAIN }, (Impersonated, Hold, Ask)),
        (
            "impersonated, allowed by a rule about the forged address",
            Case { classes: &[Impersonated], proved: false, rule: Some(Allow), ..PLAIN },
            (Impersonated, Hold, Ask),
        ),
        ("unwanted", Case { score: 5.0, ..PLAIN }, (Unwanted, Hold, Release)),
        ("almost unwanted", Case { score: 4.9, ..PLAIN }, (Clean, Accept, Closed)),
        (
            "unwanted, trusted",
            Case { score: 900.0, regard: Regard::Trusted, ..PLAIN },
            (Clean, Accept, Closed),
        ),
        (
            "unwanted, over the ceiling of probation",
            Case { score: 6.0, regard: Regard::OverCeiling, ..PLAIN },
            (Unwanted, Hold, Release),
        ),
        (
            "unwanted, proved and allowed",
            Case { score: 6.0, rule: Some(Allow), ..PLAIN },
            (Clean, Accept, Closed),
        ),
        (
            "i_16: unwanted, allowed but unproved",
            Case { score: 6.0, proved: false, rule: Some(Allow), ..PLAIN },
            (Unwanted, Hold, Release),
        ),
        (
            "a little unwanted, from a correspondent",
            Case { score: 6.0, correspondent: true, ..PLAIN },
            (Clean, Accept, Closed),
        ),
        (
            "a little unwanted, with a correspondent's forged address",
            Case { score: 6.0, correspondent: true, proved: false, ..PLAIN },
            (Unwanted, Hold, Release),
        ),
        ("revoked", Case { regard: Regard::Revoked, ..PLAIN }, (Unwanted, Hold, Release)),
        ("barred sender", Case { regard: Regard::Barred, ..PLAIN }, (Unwanted, Hold, Appeal)),
        ("marketing", Case { classes: &[Marketing], ..PLAIN }, (Marketing, Accept, Closed)),
        (
            "marketing, held by choice",
            Case { classes: &[Marketing], choice: Choice::Hold, ..PLAIN },
            (Marketing, Hold, Appeal),
        ),
        (
            "marketing, held by choice, trusted",
            Case { classes: &[Marketing], choice: Choice::Hold, regard: Regard::Trusted, ..PLAIN },
            (Marketing, Hold, Appeal),
        ),
        (
            "marketing, rejected by choice",
            Case { classes: &[Marketing], choice: Choice::Reject, ..PLAIN },
            (Marketing, Reject, Closed),
        ),
        (
            "marketing, rejected by choice, allowed by the recipient",
            Case { classes: &[Marketing], choice: Choice::Reject, rule: Some(Allow), ..PLAIN },
            (Marketing, Accept, Closed),
        ),
        (
            "unwanted marketing may not release itself",
            Case { classes: &[Marketing], score: 7.0, ..PLAIN },
            (Unwanted, Hold, Appeal),
        ),
        ("poll", Case { classes: &[Poll], choice: Choice::Hold, ..PLAIN }, (Poll, Hold, Appeal)),
        (
            "social",
            Case { classes: &[Social], choice: Choice::Reject, ..PLAIN },
            (Social, Reject, Closed),
        ),
        ("mass", Case { classes: &[Mass], ..PLAIN }, (Mass, Hold, Appeal)),
        (
            "mass, trusted",
            Case { classes: &[Mass], regard: Regard::Trusted, ..PLAIN },
            (Clean, Accept, Closed),
        ),
        ("barred by a rule", Case { rule: Some(Block), ..PLAIN }, (Barred, Reject, Closed)),
        (
            "a block beats every trust",
            Case { rule: Some(Block), regard: Regard::Trusted, correspondent: true, ..PLAIN },
            (Barred, Reject, Closed),
        ),
        (
            "a block does not hide postmaster",
            Case { rule: Some(Block), score: 900.0, role: true, ..PLAIN },
            (Clean, Accept, Closed),
        ),
        ("first contact", Case { first_contact: true, ..PLAIN }, (FirstContact, Hold, Release)),
        (
            "first contact, a correspondent",
            Case { first_contact: true, correspondent: true, ..PLAIN },
            (Clean, Accept, Closed),
        ),
        (
            "first contact, trusted",
            Case { first_contact: true, regard: Regard::Trusted, ..PLAIN },
            (Clean, Accept, Closed),
        ),
    ];
    for (what, case, expected) in table {
        assert_eq!(case.judge(), expected, "{what}");
    }
}

#[test]
fn i_15_a_replay_of_a_trusted_sender_is_held() {
    let organisation = organisation(Choice::Deliver, false);
    let view = View {
        organisation: &organisation,
        rule: None,
        choices: crate::directory::Choices::default(),
        regard: Regard::Trusted,
        correspondent: true,
        role_address: false,
    };
    let mut replayed = examination(&[Class::Mass], 0.0, true);
    replayed.findings.push(Finding::new("replayed", 0.0));
    let judgement = decide(&replayed, &view, &Thresholds::default());
    assert_eq!((judgement.class, judgement.verdict), (Class::Mass, Verdict::Hold));
}

#[test]
fn a_recipient_chooses_stricter_or_milder_for_himself() {
    let table = [
        (Choice::Deliver, Some(Choice::Reject), Verdict::Reject),
        (Choice::Reject, Some(Choice::Hold), Verdict::Hold),
        (Choice::Hold, Some(Choice::Deliver), Verdict::Accept),
        (Choice::Hold, None, Verdict::Hold),
    ];
    for (theirs, his, expected) in table {
        let organisation = organisation(theirs, false);
        for class in [Class::Marketing, Class::Poll, Class::Social] {
            let his = |of: Class| his.filter(|_| of == class);
            let view = View {
                organisation: &organisation,
                rule: None,
                choices: crate::directory::Choices {
                    marketing: his(Class::Marketing),
                    poll: his(Class::Poll),
                    social: his(Class::Social),
                },
                regard: Regard::Unknown,
                correspondent: false,
                role_address: false,
            };
            let judgement =
                decide(&examination(&[class], 0.0, true), &view, &Thresholds::default());
            assert_eq!(judgement.verdict, expected, "{class:?} {theirs:?}");
        }
    }
}

/// What must hold for every combination, whatever the table says.
#[test]
fn no_combination_opens_what_must_stay_closed() {
    let mut seen = 0;
    let score = [0.0, 5.0, 1000.0];
    let organisations =
        CHOICES.map(|choice| [false, true].map(|first| organisation(choice, first)));
    for set in 0_u32..1 << CLASSES.len() {
        let classes: Vec<Class> = CLASSES
            .iter()
            .enumerate()
            .filter(|(place, _)| set >> place & 1 == 1)
            .map(|(_, class)| *class)
            .collect();
        for regard in REGARDS {
            for rule in RULES {
                for choice in &organisations {
                    for flags in 0_u8..16 {
                        let flag = |bit: u8| flags >> bit & 1 == 1;
                        let view = View {
                            organisation: &choice[usize::from(flag(0))],
                            rule,
                            choices: crate::directory::Choices::default(),
                            regard,
                            correspondent: flag(1),
                            role_address: flag(2),
                        };
                        for score in score {
                            let exam = examination(&classes, score, flag(3));
                            let judged = decide(&exam, &view, &Thresholds::default());
                            invariants(&exam, &view, judged);
                            seen += 1;
                        }
                    }
                }
            }
        }
    }
    assert_eq!(seen, 256 * 5 * 3 * 3 * 16 * 3);
}

fn invariants(exam: &Examination, view: &View<'_>, judged: Judgement) {
    let is = |class| exam.classes.contains(&class);
    let context = || format!("{:?} {view:?} -> {judged:?}", exam.classes);
    if is(Class::Malware) {
        assert_eq!(judged.verdict, Verdict::Reject, "{}", context());
        return;
    }
    if view.role_address {
        assert_eq!(judged.verdict, Verdict::Accept, "{}", context());
        return;
    }
    if view.rule == Some(RuleAction::Block) {
        assert_eq!(judged.class, Class::Barred, "{}", context());
    }
    if is(Class::Phishing) || is(Class::Impersonated) || is(Class::Unscannable) {
        assert_ne!(judged.verdict, Verdict::Accept, "{}", context());
        assert_ne!(judged.door, Door::Release, "{}", context());
    }
    let bulk = is(Class::Marketing) || is(Class::Poll) || is(Class::Social) || is(Class::Mass);
    if bulk || view.regard == Regard::Barred {
        assert_ne!(judged.door, Door::Release, "{}", context());
    }
    if judged.verdict != Verdict::Hold {
        assert_eq!(judged.door, Door::Closed, "{}", context());
    }
    if exam.score >= 1000.0 && judged.verdict == Verdict::Accept {
        let lifted = view.regard == Regard::Trusted
            || (view.rule == Some(RuleAction::Allow) && exam.sender.is_proved());
        assert!(lifted, "{}", context());
    }
}

#[test]
fn an_organisation_says_what_becomes_of_mass_mail() {
    let examined = examination(&[Class::Mass], 0.0, true);
    for (mass, verdict, class) in [
        (Choice::Hold, Verdict::Hold, Class::Mass),
        (Choice::Reject, Verdict::Reject, Class::Mass),
        (Choice::Deliver, Verdict::Accept, Class::Clean),
    ] {
        let organisation = Organisation { mass, ..organisation(Choice::Deliver, false) };
        let view = View {
            organisation: &organisation,
            rule: None,
            choices: Choices::default(),
            regard: Regard::Unknown,
            correspondent: false,
            role_address: false,
        };
        let judged = decide(&examined, &view, &Thresholds::default());
        assert_eq!((judged.verdict, judged.class), (verdict, class));
    }
}
