//! Other programs that look at a message: a malware scanner, and engines that
//! weigh what is unwanted.
//!
//! What they say becomes findings; who is silent is logged and counted. A
//! malware scanner that is configured and silent means defer, never accept;
//! without another engine the filter goes on, unless the configuration says
//! otherwise. Their symbols are for administrators: no words to senders show
//! them.

pub mod clamd;
pub mod rspamd;
mod servers;
pub mod spamd;

use futures_util::future::{BoxFuture, join_all};

pub use servers::{Place, Silence};

use super::catalogue::Weights;
use super::{Class, Finding, Undecided};
use crate::mail::{Envelope, Message};
use crate::maillog::Maillog;
use clamd::{Clamd, Scanned, Why};

/// The most and the least that an engine's score may carry.
const MOST: f32 = 30.0;
const LEAST: f32 = -3.0;

/// Which engines are asked. None by default.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    pub clamd: Option<clamd::Settings>,
    pub rspamd: Option<(rspamd::Settings, Use)>,
    pub spamd: Option<(spamd::Settings, Use)>,
    /// Where it is written which are silent.
    pub maillog: Maillog,
}

/// What is made of an engine's answer, and of its silence.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Use {
    /// Defer while it is silent; else go on without it.
    pub must_answer: bool,
    /// The weight that a followed action has at least: enough to be held.
    /// `None`: the score alone counts.
    pub follow: Option<f32>,
    /// Symbols by which a message is phishing, whatever the score.
    pub phishing: Vec<String>,
    /// Symbols by which it is malware.
    pub malware: Vec<String>,
}

/// A program that weighs messages.
trait Engine: Send + Sync {
    /// The id of its finding, whose weight is that of one point of its score.
    fn name(&self) -> &'static str;

    fn ask<'a>(
        &'a self,
        envelope: &'a Envelope,
        message: &'a Message,
    ) -> BoxFuture<'a, Result<Opinion, Silence>>;
}

/// What an engine says of a message.
#[derive(Clone, Debug, Default, PartialEq)]
struct Opinion {
    score: f64,
    advice: Advice,
    symbols: Vec<Symbol>,
}

#[derive(Clone, Debug, PartialEq)]
struct Symbol {
    name: String,
    score: Option<f64>,
}

/// What it would do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Advice {
    #[default]
    None,
    /// Mark it as unwanted.
    Suspect,
    Refuse,
    /// Come again later.
    Later,
}

/// Findings, each with the class that it alone decides.
pub type Found = Vec<(Finding, Option<Class>)>;

/// The engines that are configured.
pub struct Engines {
    clamd: Option<Clamd>,
    weighing: Vec<(Box<dyn Engine>, Use)>,
    maillog: Maillog,
}

impl Engines {
    pub fn new(settings: &Settings) -> Self {
        let mut weighing: Vec<(Box<dyn Engine>, Use)> = Vec::new();
        if let Some((chosen, how)) = &settings.rspamd {
            weighing.push((Box::new(rspamd::Rspamd::new(chosen)), how.clone()));
        }
        if let Some((chosen, how)) = &settings.spamd {
            weighing.push((Box::new(spamd::Spamd::new(chosen)), how.clone()));
        }
        Self {
            clamd: settings.clamd.as_ref().map(Clamd::new),
            weighing,
            maillog: settings.maillog.clone(),
        }
    }

    /// Asks the malware scanner, if there is one.
    ///
    /// # Errors
    /// [`Undecided`]: it is silent.
    pub async fn scan(&self, message: &Message, weights: &Weights) -> Result<Found, Undecided> {
        let Some(clamd) = &self.clamd else { return Ok(Vec::new()) };
        let scanned = clamd.scan(message).await.map_err(|silence| {
            self.maillog.engine_silent("clamd", &silence.to_string());
            Undecided("the malware scanner gives no answer".to_owned())
        })?;
        let why = match scanned {
            Scanned::Clean => return Ok(Vec::new()),
            Scanned::Infected(name) => {
                let finding = weights.finding("malware").term("name", name);
                return Ok(vec![(finding, Some(Class::Malware))]);
            }
            Scanned::Unscanned(why) => why,
        };
        let id = match why {
            Why::Limit => "unscanned-limit",
            Why::Encrypted => "unscanned-encrypted",
            Why::Macro => "unscanned-macro",
        };
        Ok(vec![(weights.finding(id), Some(Class::Unscannable))])
    }

    /// Asks every engine that weighs, side by side.
    ///
    /// # Errors
    /// [`Undecided`]: one that must answer is silent, or asks for time.
    pub async fn weigh(
        &self,
        envelope: &Envelope,
        message: &Message,
        weights: &Weights,
    ) -> Result<Found, Undecided> {
        let asked = self.weighing.iter().map(|(engine, _)| engine.ask(envelope, message));
        let answers = join_all(asked).await;
        let mut found = Vec::new();
        for ((engine, how), answer) in self.weighing.iter().zip(answers) {
            match answer {
                Ok(opinion) => found.extend(how.judge(engine.name(), &opinion, weights)?),
                Err(silence) => {
                    self.maillog.engine_silent(engine.name(), &silence.to_string());
                    if how.must_answer {
                        return Err(Undecided(format!("{} gives no answer", engine.name())));
                    }
                }
            }
        }
        Ok(found)
    }
}

impl Use {
    /// One finding for the score, and one for what decides by itself.
    fn judge(
        &self,
        engine: &'static str,
        opinion: &Opinion,
        weights: &Weights,
    ) -> Result<Found, Undecided> {
        if opinion.advice == Advice::Later && self.follow.is_some() {
            return Err(Undecided(format!("{engine} asks for time")));
        }
        let mut found = Vec::new();
        let named = |list: &[String]| {
            opinion.symbols.iter().find(|symbol| list.contains(&symbol.name)).map(|one| &one.name)
        };
        if let Some(name) = named(&self.malware) {
            let finding = weights.finding("malware").term("name", name);
            found.push((finding, Some(Class::Malware)));
        }
        if named(&self.phishing).is_some() {
            found.push((weights.finding("engine-phishing"), Some(Class::Phishing)));
        }
        let point = weights.finding(engine);
        #[expect(clippy::cast_possible_truncation, reason = "clamped just below")]
        let mut weight = (opinion.score as f32 * point.weight).clamp(LEAST, MOST);
        if matches!(opinion.advice, Advice::Suspect | Advice::Refuse) {
            weight = weight.max(self.follow.unwrap_or(LEAST));
        }
        if weight.is_nan() || (weight == 0.0 && opinion.symbols.is_empty()) {
            return Ok(found);
        }
        let mut finding = if weight > 0.0 { point } else { weights.told("engine-clear") };
        finding.weight = weight;
        found.push((finding.term("engine", engine).term("symbols", opinion.shown()), None));
        Ok(found)
    }
}

impl Opinion {
    /// The symbols for administrators, the heaviest first.
    fn shown(&self) -> String {
        let weight = |symbol: &&Symbol| symbol.score.unwrap_or(0.0).abs();
        let mut symbols: Vec<&Symbol> = self.symbols.iter().collect();
        symbols.sort_by(|a, b| weight(b).total_cmp(&weight(a)));
        let shown = symbols.into_iter().map(|symbol| match symbol.score {
            Some(score) => format!("{} {score:.1}", symbol.name),
            None => symbol.name.clone(),
        });
        shown.collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opinion(score: f64, advice: Advice, names: &[&str]) -> Opinion {
        let symbol = |name: &&str| Symbol { name: (*name).to_owned(), score: Some(1.0) };
        Opinion { score, advice, symbols: names.iter().map(symbol).collect() }
    }

    fn judge(how: &Use, opinion: &Opinion) -> Found {
        how.judge("rspamd", opinion, &Weights::default()).unwrap()
    }

    #[test]
    fn a_score_is_weighed_by_the_catalogue_and_bounded() {
        let how = Use::default();
        let weight = |score| judge(&how, &opinion(score, Advice::None, &["A"]))[0].0.weight;
        let point = Weights::default().finding("rspamd").weight;
        assert!((weight(10.0) - 10.0 * point).abs() < 0.001);
        assert!((weight(1e9) - MOST).abs() < 0.001);
        assert!((weight(-1e9) - LEAST).abs() < 0.001, "no engine makes mail trusted");
        assert!(judge(&how, &opinion(f64::NAN, Advice::None, &["A"])).is_empty());
        let calm = judge(&how, &opinion(-2.0, Advice::None, &["A"]));
        assert_eq!(calm[0].0.id, "engine-clear", "no words of suspicion");
    }

    #[test]
    fn an_action_counts_only_where_it_is_followed() {
        let refused = opinion(1.0, Advice::Refuse, &["A"]);
        assert!(judge(&Use::default(), &refused)[0].0.weight < 2.0);
        let follow = Use { follow: Some(5.0), ..Use::default() };
        assert!((judge(&follow, &refused)[0].0.weight - 5.0).abs() < 0.001);
        let later = opinion(0.0, Advice::Later, &[]);
        assert!(follow.judge("rspamd", &later, &Weights::default()).is_err());
        assert!(judge(&Use::default(), &later).is_empty());
    }

    #[test]
    fn symbols_decide_a_class() {
        let how =
            Use { phishing: vec!["PH".into()], malware: vec!["CLAM".into()], ..Use::default() };
        let classes = |names: &[&str]| -> Vec<Class> {
            judge(&how, &opinion(0.0, Advice::None, names))
                .into_iter()
                .filter_map(|f| f.1)
                .collect()
        };
        assert_eq!(classes(&["X", "PH"]), [Class::Phishing]);
        assert_eq!(classes(&["CLAM"]), [Class::Malware]);
        assert!(classes(&["PHI"]).is_empty());
    }
}
