//! What a file is, by its name and by its first bytes.

/// What matters of a file's kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Opening it runs a program.
    Runs,
    /// A document that carries macros.
    Macro,
    Zip,
    Gzip,
    /// An archive whose format is not read here.
    Sealed,
    /// A document or picture that people open without fear.
    Document,
    Other,
}

/// Extensions that run something on Windows, Linux or macOS when opened, and
/// images of disks, which hide what they hold from the mark of the web.
const RUNS: &[&str] = &[
    "ade",
    "adp",
    "apk",
    "appref-ms",
    "application",
    "appx",
    "appxbundle",
    "bat",
    "chm",
    "cmd",
    "com",
    "cpl",
    "diagcab",
    "dll",
    "drv",
    "exe",
    "gadget",
    "hlp",
    "hta",
    "img",
    "inf",
    "ins",
    "iqy",
    "iso",
    "isp",
    "jar",
    "jnlp",
    "job",
    "js",
    "jse",
    "library-ms",
    "lnk",
    "mde",
    "mst",
    "msc",
    "msh",
    "msi",
    "msix",
    "msixbundle",
    "msp",
    "ocx",
    "one",
    "onepkg",
    "pif",
    "ps1",
    "ps1xml",
    "psc1",
    "psm1",
    "reg",
    "scf",
    "scr",
    "sct",
    "search-ms",
    "settingcontent-ms",
    "shb",
    "shs",
    "slk",
    "sys",
    "vb",
    "vbe",
    "vbs",
    "vhd",
    "vhdx",
    "wll",
    "ws",
    "wsc",
    "wsf",
    "wsh",
    "xll",
    "xbap",
];

/// Office documents whose extension announces macros.
const MACRO: &[&str] = &[
    "docm", "dotm", "potm", "ppam", "ppsm", "pptm", "sldm", "xlam", "xlm", "xlsb", "xlsm", "xltm",
];

/// What a dangerous file pretends to be.
const DOCUMENT: &[&str] = &[
    "avi", "bmp", "csv", "doc", "docx", "gif", "htm", "html", "jpeg", "jpg", "mov", "mp3", "mp4",
    "odp", "ods", "odt", "pdf", "png", "ppt", "pptx", "rtf", "tif", "tiff", "txt", "wav", "webp",
    "xls", "xlsx", "xml",
];

pub fn by_name(name: &str) -> Kind {
    let Some(extension) = extensions(name).next() else {
        return Kind::Other;
    };
    let is = |list: &[&str]| list.iter().any(|one| extension.eq_ignore_ascii_case(one));
    if is(RUNS) {
        Kind::Runs
    } else if is(MACRO) {
        Kind::Macro
    } else if is(DOCUMENT) {
        Kind::Document
    } else if extension.eq_ignore_ascii_case("zip") {
        Kind::Zip
    } else {
        Kind::Other
    }
}

/// `invoice.pdf.exe`: a harmless extension before the one that counts.
pub fn has_false_extension(name: &str) -> bool {
    extensions(name)
        .nth(1)
        .is_some_and(|before| DOCUMENT.iter().any(|one| before.eq_ignore_ascii_case(one)))
}

/// A right-to-left override and its kin: the shown name ends elsewhere.
pub fn has_override(name: &str) -> bool {
    name.chars().any(|c| matches!(c, '\u{202d}' | '\u{202e}' | '\u{2066}'..='\u{2069}'))
}

pub fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The extensions from the last on. Windows ignores dots and spaces at the end.
fn extensions(name: &str) -> impl Iterator<Item = &str> {
    let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let name = name.trim_end_matches(|c: char| c == '.' || c.is_whitespace() || c == '\0');
    let mut pieces: Vec<&str> = name.split('.').map(str::trim).collect();
    pieces.remove(0);
    pieces.into_iter().rev()
}

/// The kind by magic numbers; the first 4 KiB are enough for all but ISO 9660
/// images and old documents.
pub fn by_content(content: &[u8]) -> Kind {
    let starts = |magic: &[u8]| content.starts_with(magic);
    if is_program(content)
        || starts(b"\x7fELF")
        || starts(b"L\0\0\0\x01\x14\x02\0")
        || starts(b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d")
        || content.get(0x8001..0x8006) == Some(b"CD001")
    {
        return Kind::Runs;
    }
    if starts(b"PK\x03\x04") || starts(b"PK\x05\x06") {
        return Kind::Zip;
    }
    if starts(b"\x1f\x8b\x08") {
        return Kind::Gzip;
    }
    if starts(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") {
        return compound(content);
    }
    let sealed = starts(b"Rar!\x1a\x07")
        || starts(b"7z\xbc\xaf\x27\x1c")
        || starts(b"MSCF\0\0\0\0")
        || starts(b"\xfd7zXZ\0")
        || starts(b"BZh")
        || starts(b"\x60\xea")
        || content.get(7..14) == Some(b"**ACE**")
        || (content.get(2..5) == Some(b"-lh") && content.get(6) == Some(&b'-'));
    if sealed { Kind::Sealed } else { Kind::Other }
}

/// DOS, Windows: `MZ` and, where it says, a PE header, or the stub's sentence.
fn is_program(content: &[u8]) -> bool {
    if !content.starts_with(b"MZ") {
        return false;
    }
    let at = content
        .get(0x3c..0x40)
        .and_then(|four| four.try_into().ok())
        .map_or(usize::MAX, |four| usize::try_from(u32::from_le_bytes(four)).unwrap_or(usize::MAX));
    let pe = at.checked_add(4).and_then(|end| content.get(at..end)) == Some(b"PE\0\0");
    let head = &content[..content.len().min(1024)];
    pe || memchr::memmem::find(head, b"DOS mode").is_some()
        || memchr::memmem::find(head, b"must be run under").is_some()
}

/// An OLE2 compound file: an installer, an encrypted or a macro document?
/// Names of streams stand in it as UTF-16.
fn compound(content: &[u8]) -> Kind {
    let names = |text: &str| {
        let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        memchr::memmem::find(content, &wide).is_some()
    };
    if names("EncryptedPackage") {
        Kind::Sealed
    } else if names("_VBA_PROJECT") {
        Kind::Macro
    } else {
        Kind::Other
    }
}

pub fn is_tar(content: &[u8]) -> bool {
    content.get(257..262) == Some(b"ustar")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for name in ["a.exe", "A.ScR", "x.pdf.js", "a.lnk. ", "dir\\a.hta", "p.one"] {
            assert_eq!(by_name(name), Kind::Runs, "{name}");
        }
        assert_eq!(by_name("report.docm"), Kind::Macro);
        assert_eq!(by_name("exe"), Kind::Other, "no extension");
        assert_eq!(by_name("notes.pdf"), Kind::Document);
        assert!(has_false_extension("invoice.pdf   .exe"));
        assert!(!has_false_extension("setup.1.exe"));
        assert!(has_override("annexe\u{202e}fdp.exe"));
    }
}
