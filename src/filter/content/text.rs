//! The words that people see in a message, and the tricks played on them.
//!
//! HTML becomes text in one pass: tags fall away, blocks part words, what is
//! hidden is left out and counted, as are words cut by comments, characters
//! without width, and words of mixed alphabets. Bounded in what it reads and
//! writes; no parser of HTML, for nothing here is shown to anybody.

/// Bytes of one part that are read at most.
const PART_BYTES: usize = 64 << 10;
/// Elements that stand in a line: no space where they begin and end.
const INLINE: &[&[u8]] = &[
    b"a", b"b", b"i", b"u", b"em", b"strong", b"font", b"span", b"big", b"small", b"sub", b"sup",
    b"tt", b"code", b"abbr", b"o", b"!--",
];
/// Elements without an end tag.
const VOID: &[&[u8]] = &[
    b"br", b"img", b"hr", b"input", b"meta", b"link", b"area", b"base", b"col", b"wbr", b"embed",
    b"param", b"source", b"track",
];

/// What was done so that people and filters read different things. Counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tricks {
    /// Characters of text in elements that are not shown.
    pub hidden: u32,
    /// Words cut by a comment or an unknown tag.
    pub cut: u32,
    /// Characters without width between letters.
    pub no_width: u32,
    /// Words of Latin and look-alike letters mixed.
    pub mixed: u32,
}

/// The text of one message while it is gathered.
#[derive(Default)]
pub struct Page {
    text: String,
    most: usize,
    tricks: Tricks,
    word: Word,
}

/// The word that is being written.
#[derive(Default)]
struct Word {
    latin: bool,
    alike: bool,
    pending: u32,
}

/// An element that is not shown, until it ends.
struct Unseen {
    name: Vec<u8>,
    depth: u32,
}

impl Page {
    /// Starts a message; at most `most` bytes of text are kept.
    pub fn begin(&mut self, most: usize) {
        self.text.clear();
        self.most = most;
        self.tricks = Tricks::default();
        self.word = Word::default();
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn tricks(&self) -> Tricks {
        self.tricks
    }

    /// Adds text as it is.
    pub fn plain(&mut self, bytes: &[u8]) {
        if self.is_full() {
            return;
        }
        self.run(&bytes[..bytes.len().min(PART_BYTES)]);
        self.space();
    }

    /// Adds what a reader of this HTML sees.
    pub fn html(&mut self, bytes: &[u8]) {
        let mut rest = &bytes[..bytes.len().min(PART_BYTES)];
        let mut unseen: Option<Unseen> = None;
        while !rest.is_empty() && !self.is_full() {
            let open = memchr::memchr(b'<', rest).unwrap_or(rest.len());
            let (text, tag) = rest.split_at(open);
            match &unseen {
                Some(_) => {
                    let seen = text.iter().filter(|byte| !byte.is_ascii_whitespace()).count();
                    self.tricks.hidden += u32::try_from(seen).unwrap_or(u32::MAX);
                }
                None => self.entities(text),
            }
            let before_letter = self.ends_in_letter() && unseen.is_none();
            let (name, end) = tag_of(tag);
            let whole = &tag[..end];
            rest = &tag[end..];
            if whole.is_empty() {
                break;
            }
            if before_letter && rest.first().is_some_and(u8::is_ascii_alphabetic) && cuts(name) {
                self.tricks.cut += 1;
            }
            rest = self.step(name, whole, rest, &mut unseen);
        }
        self.space();
    }

    /// What a tag changes; answers what is left to read.
    fn step<'a>(
        &mut self,
        name: &[u8],
        whole: &[u8],
        rest: &'a [u8],
        unseen: &mut Option<Unseen>,
    ) -> &'a [u8] {
        let closes = name.first() == Some(&b'/');
        let bare = if closes { &name[1..] } else { name };
        if let Some(element) = unseen {
            if bare.eq_ignore_ascii_case(&element.name) {
                element.depth = if closes { element.depth - 1 } else { element.depth + 1 };
                if element.depth == 0 {
                    *unseen = None;
                }
            }
            return rest;
        }
        let is_void = VOID.iter().any(|known| bare.eq_ignore_ascii_case(known));
        if is_void || (is_element(bare) && bare != b"!--") {
            self.space();
        }
        if closes {
            return rest;
        }
        if bare.eq_ignore_ascii_case(b"style") || bare.eq_ignore_ascii_case(b"script") {
            return behind(rest, bare);
        }
        if !is_void && whole.len() > bare.len() + 9 && hides(whole) {
            *unseen = Some(Unseen { name: bare.to_vec(), depth: 1 });
        }
        rest
    }

    /// Text between tags, with its character references.
    fn entities(&mut self, mut text: &[u8]) {
        while let Some(at) = memchr::memchr(b'&', text) {
            self.run(&text[..at]);
            let tail = &text[at..];
            let end = tail.iter().take(12).position(|byte| *byte == b';');
            if let Some((character, end)) =
                end.and_then(|end| Some((reference(&tail[1..end])?, end)))
            {
                self.put(character);
                text = &tail[end + 1..];
            } else {
                self.put('&');
                text = &tail[1..];
            }
        }
        self.run(text);
    }

    fn run(&mut self, bytes: &[u8]) {
        // Checking a whole text at once is faster than finding its chunks.
        if let Ok(text) = std::str::from_utf8(bytes) {
            self.characters(text);
            return;
        }
        for chunk in bytes.utf8_chunks() {
            if !self.characters(chunk.valid()) {
                return;
            }
            if !chunk.invalid().is_empty() {
                self.put('\u{fffd}');
            }
        }
    }

    /// Whether all of them had room.
    fn characters(&mut self, mut text: &str) -> bool {
        while let Some(character) = text.chars().next() {
            if self.is_full() {
                return false;
            }
            let letters = text.bytes().take_while(u8::is_ascii_alphabetic);
            let letters = letters.take(self.most - self.text.len()).count();
            if letters == 0 {
                self.put(character);
                text = &text[character.len_utf8()..];
                continue;
            }
            // As `put` does, a run at a time.
            self.word.latin = true;
            self.tricks.no_width += std::mem::take(&mut self.word.pending);
            let start = self.text.len();
            self.text.push_str(&text[..letters]);
            self.text[start..].make_ascii_lowercase();
            text = &text[letters..];
        }
        true
    }

    fn put(&mut self, character: char) {
        if character.is_ascii() {
            if character.is_ascii_whitespace() || character.is_ascii_control() {
                return self.space();
            }
            if character.is_ascii_alphabetic() {
                self.word.latin = true;
                self.tricks.no_width += std::mem::take(&mut self.word.pending);
            } else {
                self.end_word();
            }
            return self.text.push(character.to_ascii_lowercase());
        }
        match character {
            // Soft hyphen, zero-width space to joiner, word joiner, BOM.
            '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}' => {
                if self.word.latin {
                    self.word.pending += 1;
                }
            }
            _ if character.is_whitespace() => self.space(),
            _ => {
                self.word.alike |= looks_latin(character);
                self.text.extend(character.to_lowercase());
            }
        }
    }

    fn space(&mut self) {
        self.end_word();
        if !self.text.ends_with(' ') {
            self.text.push(' ');
        }
    }

    fn end_word(&mut self) {
        let word = std::mem::take(&mut self.word);
        self.tricks.mixed += u32::from(word.latin && word.alike);
    }

    fn ends_in_letter(&self) -> bool {
        self.text.ends_with(|last: char| last.is_ascii_alphabetic())
    }

    fn is_full(&self) -> bool {
        self.text.len() >= self.most
    }
}

/// The name of the tag at the start of `tag`, and where the tag ends.
fn tag_of(tag: &[u8]) -> (&[u8], usize) {
    if tag.starts_with(b"<!--") {
        let end = memchr::memmem::find(tag, b"-->").map_or(tag.len(), |at| at + 3);
        return (&tag[1..4], end);
    }
    let end = memchr::memchr(b'>', tag).map_or(tag.len(), |at| at + 1);
    let inner = tag.get(1..end).unwrap_or_default();
    let stop = |byte: &u8| byte.is_ascii_whitespace() || *byte == b'>';
    let length = inner.iter().position(stop).unwrap_or(inner.len());
    (&inner[..length], end)
}

/// Nobody writes these inside a word.
fn cuts(name: &[u8]) -> bool {
    let bare = name.strip_prefix(b"/").unwrap_or(name);
    let known = |names: &[&[u8]]| names.iter().any(|known| bare.eq_ignore_ascii_case(known));
    bare == b"!--" || (bare.len() > 1 && !known(INLINE) && !known(VOID) && !is_element(bare))
}

/// Elements of HTML that are none of the others here.
fn is_element(bare: &[u8]) -> bool {
    const ELEMENTS: &[&[u8]] = &[
        b"html",
        b"head",
        b"body",
        b"title",
        b"table",
        b"tbody",
        b"thead",
        b"tfoot",
        b"tr",
        b"td",
        b"th",
        b"p",
        b"div",
        b"ul",
        b"ol",
        b"li",
        b"dl",
        b"dt",
        b"dd",
        b"h1",
        b"h2",
        b"h3",
        b"h4",
        b"h5",
        b"h6",
        b"center",
        b"pre",
        b"form",
        b"select",
        b"option",
        b"textarea",
        b"button",
        b"blockquote",
        b"map",
        b"object",
        b"iframe",
        b"label",
        b"fieldset",
        b"legend",
        b"caption",
        b"section",
        b"article",
        b"header",
        b"footer",
        b"nav",
        b"main",
        b"figure",
        b"address",
        b"style",
        b"script",
        b"noscript",
        b"strike",
        b"kbd",
        b"cite",
        b"ins",
        b"del",
        b"nobr",
    ];
    bare.first() == Some(&b'!') || ELEMENTS.iter().any(|known| bare.eq_ignore_ascii_case(known))
}

/// Whether a tag's own style keeps its content from being seen.
fn hides(tag: &[u8]) -> bool {
    if memchr::memmem::find(tag, b"=").is_none() {
        return false;
    }
    let squeezed: Vec<u8> = tag
        .iter()
        .take(512)
        .filter(|byte| !byte.is_ascii_whitespace())
        .map(u8::to_ascii_lowercase)
        .collect();
    let says = |what: &[u8]| memchr::memmem::find(&squeezed, what);
    let small = says(b"font-size:0").is_some_and(|at| {
        !squeezed.get(at + 11).is_some_and(|next| *next == b'.' || next.is_ascii_digit())
    });
    small || says(b"display:none").is_some() || says(b"visibility:hidden").is_some()
}

/// Behind `</name>`, or nothing if it never ends.
fn behind<'a>(rest: &'a [u8], name: &[u8]) -> &'a [u8] {
    let mut from = 0;
    while let Some(at) = memchr::memmem::find(&rest[from..], b"</") {
        let here = from + at + 2;
        if rest.get(here..here + name.len()).is_some_and(|end| end.eq_ignore_ascii_case(name)) {
            let close = memchr::memchr(b'>', &rest[here..]).map_or(rest.len(), |at| here + at + 1);
            return &rest[close..];
        }
        from = here;
    }
    &[]
}

/// A character reference between `&` and `;`.
fn reference(name: &[u8]) -> Option<char> {
    if let Some(number) = name.strip_prefix(b"#") {
        let number = std::str::from_utf8(number).ok()?;
        let hex = number.strip_prefix(['x', 'X']);
        let code = match hex {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        };
        return char::from_u32(code).filter(|character| *character != '\0');
    }
    Some(match name {
        b"nbsp" => ' ',
        b"amp" => '&',
        b"lt" => '<',
        b"gt" => '>',
        b"quot" => '"',
        b"apos" | b"rsquo" | b"lsquo" => '\'',
        b"shy" => '\u{ad}',
        b"zwnj" => '\u{200c}',
        b"zwj" => '\u{200d}',
        b"copy" => '©',
        b"reg" => '®',
        b"euro" => '€',
        b"auml" => 'ä',
        b"ouml" => 'ö',
        b"uuml" => 'ü',
        b"Auml" => 'Ä',
        b"Ouml" => 'Ö',
        b"Uuml" => 'Ü',
        b"szlig" => 'ß',
        b"aring" => 'å',
        b"eacute" => 'é',
        b"egrave" => 'è',
        _ => return None,
    })
}

/// Cyrillic and Greek letters that look like Latin ones, and Latin letters
/// drawn for mathematics.
fn looks_latin(character: char) -> bool {
    matches!(
        character,
        'а' | 'е'
            | 'о'
            | 'р'
            | 'с'
            | 'у'
            | 'х'
            | 'і'
            | 'ј'
            | 'ѕ'
            | 'ԁ'
            | 'һ'
            | 'А'
            | 'В'
            | 'Е'
            | 'К'
            | 'М'
            | 'Н'
            | 'О'
            | 'Р'
            | 'С'
            | 'Т'
            | 'Х'
            | 'І'
            | 'Ј'
            | 'Ѕ'
            | 'α'
            | 'ο'
            | 'ν'
            | 'ρ'
            | 'Α'
            | 'Β'
            | 'Ε'
            | 'Ζ'
            | 'Η'
            | 'Ι'
            | 'Κ'
            | 'Μ'
            | 'Ν'
            | 'Ο'
            | 'Ρ'
            | 'Τ'
            | 'Υ'
            | 'Χ'
            | '\u{1d400}'..='\u{1d6a3}'
    )
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
