//! What a configured value may look like: durations, sizes, addresses.
//!
//! Each function turns one TOML value into a usable one, or says what is
//! wrong with it as the end of a sentence: `"soon" is not a duration`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use toml::Value;

use crate::mail::{Address, Domain};

pub(super) type Parsed<T> = Result<T, String>;

pub(super) fn not(value: &Value, what: &str) -> String {
    format!("{value} is not {what}")
}

pub(super) fn text(value: &Value) -> Parsed<String> {
    let text = value.as_str().ok_or_else(|| not(value, "a text in quotes"))?;
    if text.trim().is_empty() {
        return Err("is empty".to_owned());
    }
    Ok(text.to_owned())
}

pub(super) fn flag(value: &Value) -> Parsed<bool> {
    value.as_bool().ok_or_else(|| not(value, "true or false"))
}

/// A number from 0 to 1000.
pub(super) fn score(value: &Value) -> Parsed<f32> {
    #[expect(clippy::cast_possible_truncation, reason = "a score is between 0 and 1000")]
    #[expect(clippy::cast_precision_loss, reason = "a score is between 0 and 1000")]
    let number = match value {
        Value::Float(number) => *number as f32,
        Value::Integer(number) => *number as f32,
        _ => return Err(not(value, "a number")),
    };
    if (0.0..=1000.0).contains(&number) {
        Ok(number)
    } else {
        Err(not(value, "a number from 0 to 1000"))
    }
}

/// A number from -1000 to 1000.
pub(super) fn weight(value: &Value) -> Parsed<f32> {
    #[expect(clippy::cast_precision_loss, reason = "a weight is between -1000 and 1000")]
    let number = value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64));
    let number = number.filter(|number| (-1000.0..=1000.0).contains(number));
    #[expect(clippy::cast_possible_truncation, reason = "a weight is between -1000 and 1000")]
    let narrow = number.map(|number| number as f32);
    narrow.ok_or_else(|| not(value, "a number from -1000 to 1000"))
}

/// A duration above zero.
pub(super) fn some_time(value: &Value) -> Parsed<Duration> {
    let time = duration(value)?;
    if time.is_zero() { Err(format!("{value} is no time at all")) } else { Ok(time) }
}

/// A whole number of at least `least`.
pub(super) fn whole<T: TryFrom<i64>>(least: i64) -> impl Fn(&Value) -> Parsed<T> {
    move |value| {
        let number = value.as_integer().filter(|number| *number >= least);
        let wrong = || not(value, &format!("a whole number of at least {least} that fits here"));
        number.and_then(|number| T::try_from(number).ok()).ok_or_else(wrong)
    }
}

/// `"60 s"`, `"5 min"`, `"24 h"`, `"14 days"`; also `"500 ms"`.
pub(super) fn duration(value: &Value) -> Parsed<Duration> {
    let wrong = || not(value, "a duration (a whole number and ms, s, min, h or days)");
    let (number, unit) = number_and_unit(value).ok_or_else(wrong)?;
    let seconds = match unit {
        "ms" => return Ok(Duration::from_millis(number)),
        "s" => 1,
        "min" => 60,
        "h" => 3600,
        "day" | "days" => 86_400,
        _ => return Err(wrong()),
    };
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(wrong)
}

/// A duration of whole days.
pub(super) fn days(value: &Value) -> Parsed<u16> {
    let seconds = duration(value)?.as_secs();
    if seconds == 0 || seconds % 86_400 != 0 {
        return Err(not(value, "a duration of whole days"));
    }
    u16::try_from(seconds / 86_400).map_err(|_| not(value, "a duration of whole days"))
}

/// `"25 MiB"`, `"512 KiB"`, `"1 GiB"`, `"100 B"`.
pub(super) fn size(value: &Value) -> Parsed<u64> {
    let wrong = || not(value, "a size (a whole number and B, KiB, MiB or GiB)");
    let (number, unit) = number_and_unit(value).ok_or_else(wrong)?;
    let shift = match unit {
        "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        _ => return Err(wrong()),
    };
    number.checked_mul(1 << shift).ok_or_else(wrong)
}

/// A size that fits in memory.
pub(super) fn memory(value: &Value) -> Parsed<usize> {
    usize::try_from(size(value)?).map_err(|_| not(value, "a size that fits in memory"))
}

fn number_and_unit(value: &Value) -> Option<(u64, &str)> {
    let text = value.as_str()?.trim();
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    Some((text[..end].parse().ok()?, text[end..].trim()))
}

/// `"127.0.0.1:25"` or `"[::1]:25"`.
pub(super) fn socket(value: &Value) -> Parsed<SocketAddr> {
    let parsed = value.as_str().and_then(|text| text.parse().ok());
    parsed.ok_or_else(|| not(value, "an address and port"))
}

/// `"192.0.2.0/24"`, or a single address.
pub(super) fn network(value: &Value) -> Parsed<IpNet> {
    let text = value.as_str().unwrap_or_default();
    let parsed = text.parse().or_else(|_| text.parse().map(|ip: std::net::IpAddr| ip.into()));
    parsed.map_err(|_| not(value, "a network or an address"))
}

pub(super) fn domain(value: &Value) -> Parsed<Domain> {
    let parsed = value.as_str().map(Domain::parse);
    match parsed {
        Some(Ok(domain)) => Ok(domain),
        Some(Err(error)) => Err(format!("{value} is not a domain ({error})")),
        None => Err(not(value, "a domain in quotes")),
    }
}

pub(super) fn address(value: &Value) -> Parsed<Address> {
    match value.as_str().map(Address::parse) {
        Some(Ok(address)) => Ok(address),
        Some(Err(error)) => Err(format!("{value} is not a mail address ({error})")),
        None => Err(not(value, "a mail address in quotes")),
    }
}

pub(super) fn path(value: &Value) -> Parsed<PathBuf> {
    text(value).map(PathBuf::from)
}

/// A list of what `one` reads.
pub(super) fn list<T>(one: impl Fn(&Value) -> Parsed<T>) -> impl Fn(&Value) -> Parsed<Vec<T>> {
    move |value| {
        let list = value.as_array().ok_or_else(|| not(value, "a list in square brackets"))?;
        list.iter().map(&one).collect()
    }
}

/// One of a few words.
pub(super) fn word<T: Copy>(words: &[(&'static str, T)]) -> impl Fn(&Value) -> Parsed<T> {
    move |value| {
        let found = words.iter().find(|(word, _)| value.as_str() == Some(word));
        found.map(|(_, meaning)| *meaning).ok_or_else(|| {
            let names: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
            not(value, &format!("one of {}", names.join(", ")))
        })
    }
}

/// `#rrggbb`.
pub(super) fn colour(value: &Value) -> Parsed<String> {
    let digits = value.as_str().and_then(|text| text.strip_prefix('#'));
    let good = digits.is_some_and(|d| d.len() == 6 && d.bytes().all(|b| b.is_ascii_hexdigit()));
    let colour = good.then(|| value.as_str().unwrap_or_default().to_ascii_lowercase());
    colour.ok_or_else(|| not(value, "a colour of # and six hexadecimal digits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of<T>(text: &str, parse: impl Fn(&Value) -> Parsed<T>) -> Parsed<T> {
        parse(&text.parse().expect("a TOML value"))
    }

    #[test]
    fn durations_and_sizes_have_units() {
        assert_eq!(of("\"60 s\"", duration), Ok(Duration::from_mins(1)));
        assert_eq!(of("\"14 days\"", duration), Ok(Duration::from_hours(14 * 24)));
        assert_eq!(of("\"250ms\"", duration), Ok(Duration::from_millis(250)));
        assert_eq!(of("\"25 MiB\"", size), Ok(25 << 20));
        for bad in ["60", "\"60\"", "\"s\"", "\"-1 s\"", "\"1 year\"", "\"99999999999999999999 s\""]
        {
            assert!(of(bad, duration).is_err(), "{bad}");
        }
        for bad in ["25", "\"25 MB\"", "\"99999999999 GiB\""] {
            assert!(of(bad, size).is_err(), "{bad}");
        }
        assert_eq!(of("\"36 h\"", days), Err("\"36 h\" is not a duration of whole days".into()));
    }
}
