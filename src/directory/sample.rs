//! Organisations for the tests of every room above.

use super::{Choice, Contact, Digest, Directory, Organisation, OrganisationId, Rule, Told};
use crate::mail::{Address, Domain};

/// An organisation `name` that serves `name.example`.
pub fn organisation(name: &str) -> Organisation {
    let domain = Domain::parse(&format!("{name}.example")).unwrap();
    Organisation {
        id: OrganisationId::new(name).unwrap(),
        name: format!("{name} Oy"),
        contact: Contact {
            postmaster: Address::parse(&format!("postmaster@{domain}")).unwrap(),
            telephone: None,
            hours: None,
        },
        domains: vec![domain],
        language: "en".to_owned(),
        host: None,
        colour: None,
        retention_days: 14,
        told: Told::Letter,
        marketing: Choice::Deliver,
        poll: Choice::Deliver,
        social: Choice::Deliver,
        mass: Choice::Hold,
        hold_first_contact: false,
        rules: Vec::new(),
        digest: Digest::default(),
        people_choose: true,
        sentence: None,
        logo: None,
    }
}

/// `ours` and `theirs`, with these rules of `ours`.
pub fn directory(rules: Vec<Rule>) -> Directory {
    let ours = Organisation { rules, ..organisation("ours") };
    Directory::new(vec![ours, organisation("theirs")]).unwrap()
}
