//! Files of the pages: style, script, icon, and an accent for each colour.
//!
//! Names carry a hash of the content, so they never change and are cached for
//! a year. An organisation's colour becomes a small style sheet of its own,
//! because the pages' policy (CSP) forbids styles inside HTML; the colour is
//! moved until text of it can be read on light and on dark ground (WCAG 2.2,
//! 1.4.3: contrast of at least 4.5).

use std::fmt::Write as _;

use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

const STYLE: &str =
    concat!(include_str!("../../web/colours.css"), include_str!("../../web/style.css"));
const SCRIPT: &str = include_str!("../../web/script.js");
const CONSOLE_STYLE: &str =
    concat!(include_str!("../../web/colours.css"), include_str!("../../web/admin.css"));
const CONSOLE_SCRIPT: &str = include_str!("../../web/admin.js");
const ICON: &str = include_str!("../../web/icon.svg");

pub const FOREVER: &str = "public, max-age=31536000, immutable";
/// The accent of organisations that chose none.
const ACCENT: Colour = Colour([0x1d, 0x5b, 0x79]);
/// The grounds of style.css that accents stand on.
const LIGHT_GROUND: Colour = Colour([0xf4, 0xf5, 0xf6]);
const DARK_GROUND: Colour = Colour([0x1e, 0x23, 0x28]);
const READABLE: f64 = 4.6;

/// The names of the files as pages link them.
pub struct Assets {
    pub style: String,
    pub script: String,
    pub icon: String,
    pub console_style: String,
    pub console_script: String,
    /// What the accents' names end with.
    accent_version: String,
}

/// A colour as `#rrggbb` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour([u8; 3]);

impl Assets {
    pub fn new() -> Self {
        Self {
            style: format!("style-{}.css", version(STYLE)),
            script: format!("script-{}.js", version(SCRIPT)),
            icon: format!("icon-{}.svg", version(ICON)),
            console_style: format!("console-{}.css", version(CONSOLE_STYLE)),
            console_script: format!("console-{}.js", version(CONSOLE_SCRIPT)),
            accent_version: version(&ACCENT.style_sheet()),
        }
    }

    /// The file name of a colour's style sheet.
    pub fn accent(&self, colour: Option<&str>) -> String {
        let Colour([r, g, b]) = colour.and_then(Colour::parse).unwrap_or(ACCENT);
        format!("accent-{r:02x}{g:02x}{b:02x}-{}.css", self.accent_version)
    }

    /// The file of this name.
    pub fn serve(&self, name: &str) -> Option<Response> {
        if name == self.style {
            return Some(file("text/css; charset=utf-8", STYLE.into()));
        }
        if name == self.script {
            return Some(file("text/javascript; charset=utf-8", SCRIPT.into()));
        }
        if name == self.console_style {
            return Some(file("text/css; charset=utf-8", CONSOLE_STYLE.into()));
        }
        if name == self.console_script {
            return Some(file("text/javascript; charset=utf-8", CONSOLE_SCRIPT.into()));
        }
        if name == self.icon {
            return Some(file("image/svg+xml", ICON.into()));
        }
        let rest = name.strip_prefix("accent-")?.strip_suffix(".css")?;
        let (colour, version) = rest.split_once('-')?;
        if version != self.accent_version {
            return None;
        }
        let colour = Colour::parse(&format!("#{colour}"))?;
        Some(file("text/css; charset=utf-8", colour.style_sheet()))
    }
}

fn file(kind: &'static str, content: String) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(kind)),
        (CACHE_CONTROL, HeaderValue::from_static(FOREVER)),
    ];
    (headers, content).into_response()
}

fn version(content: &str) -> String {
    Sha256::digest(content).iter().take(5).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl Colour {
    /// Reads `#rrggbb`.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#')?;
        if digits.len() != 6 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let [_, r, g, b] = u32::from_str_radix(digits, 16).ok()?.to_be_bytes();
        Some(Self([r, g, b]))
    }

    /// Whether text of this colour on white, and white text on it, can be read
    /// as it is (WCAG 2.2, 1.4.3 level AA).
    pub fn is_readable(self) -> bool {
        self.contrast(Self([255; 3])) >= 4.5
    }

    fn style_sheet(self) -> String {
        let light = self.readable_on(LIGHT_GROUND);
        let dark = self.readable_on(DARK_GROUND);
        format!(
            ":root{{--accent:{};--on-accent:#fff}}\n\
             @media(prefers-color-scheme:dark){{:root{{--accent:{};--on-accent:#14181c}}}}\n",
            light.css(),
            dark.css()
        )
    }

    /// The nearest mixture with black or white that can be read on `ground`.
    fn readable_on(self, ground: Self) -> Self {
        let towards = if ground.luminance() > 0.5 { 0 } else { 255 };
        let steps = (0..=20).map(|step| self.mixed(towards, step));
        let mut steps = steps.skip_while(|colour| colour.contrast(ground) < READABLE);
        steps.next().unwrap_or(Self([towards; 3]))
    }

    /// `step` twentieths of the way to a grey.
    fn mixed(self, towards: u8, step: u16) -> Self {
        Self(self.0.map(|one| {
            let mixed = (u16::from(one) * (20 - step) + u16::from(towards) * step) / 20;
            u8::try_from(mixed).unwrap_or(u8::MAX)
        }))
    }

    /// WCAG 2.2: contrast ratio.
    fn contrast(self, other: Self) -> f64 {
        let (a, b) = (self.luminance(), other.luminance());
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    /// WCAG 2.2: relative luminance.
    fn luminance(self) -> f64 {
        let [r, g, b] = self.0.map(|one| {
            let part = f64::from(one) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * r + 0.7152 * g + 0.0722 * b
    }

    fn css(self) -> String {
        let [r, g, b] = self.0;
        format!("#{r:02x}{g:02x}{b:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_colour_becomes_readable_in_light_and_dark() {
        let steps = (0..=255).step_by(51);
        for r in steps.clone() {
            for g in steps.clone() {
                for b in steps.clone() {
                    let colour = Colour([r, g, b]);
                    let light = colour.readable_on(LIGHT_GROUND);
                    let dark = colour.readable_on(DARK_GROUND);
                    assert!(light.contrast(LIGHT_GROUND) >= 4.5, "{colour:?}");
                    assert!(light.contrast(Colour([255; 3])) >= 4.5, "{colour:?}");
                    assert!(dark.contrast(DARK_GROUND) >= 4.5, "{colour:?}");
                    assert!(dark.contrast(Colour([0x14, 0x18, 0x1c])) >= 4.5, "{colour:?}");
                }
            }
        }
    }

    #[test]
    fn pale_colours_cannot_be_read_on_white() {
        let readable = |text| Colour::parse(text).unwrap().is_readable();
        assert!(readable("#0b6e4f") && readable("#000000") && readable("#767676"));
        assert!(!readable("#ffd700") && !readable("#777777") && !readable("#ffffff"));
    }

    #[test]
    fn names_change_with_the_content_and_only_the_present_ones_are_served() {
        let assets = Assets::new();
        for name in [&assets.style, &assets.script, &assets.icon, &assets.accent(Some("#aa0000"))] {
            assert!(assets.serve(name).is_some(), "{name}");
        }
        for name in ["style.css", "style-0000000000.css", "accent-aa0000-0.css", "../Cargo.toml"] {
            assert!(assets.serve(name).is_none(), "{name}");
        }
        assert_eq!(assets.accent(Some("red")), assets.accent(None));
    }
}
