//! A zone file that is the whole of DNS: names to records.
//!
//! Knows aliases (CNAME), wildcards (RFC 4592) and empty non-terminals; what
//! it does not name does not exist.

use std::collections::{HashMap, HashSet};

use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::rdata::SOA;
use hickory_resolver::proto::rr::{LowerName, Name, RData, Record, RecordType};

use super::{DnsError, master};

/// Aliases that are followed for one question.
const ALIASES: usize = 8;

/// All records, by name and type.
#[derive(Clone, Debug, Default)]
pub struct Zone {
    records: HashMap<LowerName, HashMap<RecordType, Vec<Record>>>,
    /// Names above others that have no records themselves.
    parents: HashSet<LowerName>,
    /// Names whose server fails, for tests.
    failing: HashSet<LowerName>,
}

/// What the zone says to a question.
#[derive(Debug)]
pub struct ZoneAnswer {
    pub code: ResponseCode,
    pub records: Vec<Record>,
}

impl Zone {
    /// Reads a master file.
    ///
    /// # Errors
    /// [`DnsError::Zone`] with the line and what is wrong in it.
    pub fn parse(text: &str) -> Result<Self, DnsError> {
        let mut zone = Self::default();
        for record in master::records(text)? {
            let mut above = record.name.base_name();
            while !above.is_root() {
                zone.parents.insert(LowerName::new(&above));
                above = above.base_name();
            }
            let here = zone.records.entry(LowerName::new(&record.name)).or_default();
            here.entry(record.record_type()).or_default().push(record);
        }
        Ok(zone)
    }

    /// From now on questions for `name` are answered SERVFAIL.
    pub fn fail(&mut self, name: &str) {
        if let Ok(mut name) = Name::from_str_relaxed(name) {
            name.set_fqdn(true);
            self.failing.insert(LowerName::new(&name));
        }
    }

    pub(super) fn answer(&self, name: &Name, kind: RecordType) -> ZoneAnswer {
        let mut records = Vec::new();
        let mut name = name.clone();
        name.set_fqdn(true);
        for _ in 0..ALIASES {
            let lower = LowerName::new(&name);
            if self.failing.contains(&lower) {
                return ZoneAnswer { code: ResponseCode::ServFail, records: Vec::new() };
            }
            let Some(here) = self.at(&lower) else {
                let exists = !records.is_empty() || self.parents.contains(&lower);
                let code = if exists { ResponseCode::NoError } else { ResponseCode::NXDomain };
                return ZoneAnswer { code, records };
            };
            let named = |record: &Record| {
                let mut record = record.clone();
                record.name.clone_from(&name);
                record
            };
            if let Some(found) = here.get(&kind) {
                records.extend(found.iter().map(named));
                break;
            }
            let Some(alias) = here.get(&RecordType::CNAME).and_then(|all| all.first()) else {
                break;
            };
            records.push(named(alias));
            let RData::CNAME(target) = &alias.data else {
                break;
            };
            name = target.0.clone();
        }
        ZoneAnswer { code: ResponseCode::NoError, records }
    }

    /// The records at a name, or at the wildcard that covers it.
    fn at(&self, name: &LowerName) -> Option<&HashMap<RecordType, Vec<Record>>> {
        if let Some(here) = self.records.get(name) {
            return Some(here);
        }
        let mut above = Name::from(name);
        while !above.is_root() && !self.parents.contains(&LowerName::new(&above)) {
            above = above.base_name();
            let star = Name::from_str_relaxed("*").ok()?.append_domain(&above).ok()?;
            if let Some(here) = self.records.get(&LowerName::new(&star)) {
                return Some(here);
            }
        }
        None
    }

    /// The SOA that lets a resolver remember what does not exist (RFC 2308).
    pub(super) fn authority() -> Record {
        let soa = SOA::new(Name::root(), Name::root(), 1, 300, 300, 300, 300);
        Record::from_rdata(Name::root(), 300, RData::SOA(soa))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone() -> Zone {
        Zone::parse(
            "alias.example CNAME real.example\n\
             real.example 60 IN A 192.0.2.7\n\
             *.wild.example TXT \"any\"\n\
             deep.below.example A 192.0.2.8\n\
             10.2.0.192.in-addr.arpa PTR mail.example\n",
        )
        .unwrap()
    }

    fn ask(zone: &Zone, name: &str, kind: RecordType) -> (ResponseCode, usize) {
        let answer = zone.answer(&Name::from_str_relaxed(name).unwrap(), kind);
        (answer.code, answer.records.len())
    }

    #[test]
    fn names_aliases_wildcards_and_absences() {
        let mut zone = zone();
        let ok = ResponseCode::NoError;
        assert_eq!(ask(&zone, "REAL.example.", RecordType::A), (ok, 1));
        assert_eq!(ask(&zone, "alias.example", RecordType::A), (ok, 2));
        assert_eq!(ask(&zone, "real.example", RecordType::TXT), (ok, 0), "no data");
        assert_eq!(ask(&zone, "below.example", RecordType::A), (ok, 0), "empty non-terminal");
        assert_eq!(ask(&zone, "a.b.wild.example", RecordType::TXT), (ok, 1));
        assert_eq!(ask(&zone, "10.2.0.192.in-addr.arpa", RecordType::PTR), (ok, 1));
        assert_eq!(ask(&zone, "other.test", RecordType::A), (ResponseCode::NXDomain, 0));
        zone.fail("real.example");
        assert_eq!(ask(&zone, "alias.example", RecordType::A).0, ResponseCode::ServFail);
    }
}
