//! What a file is, by its name and by its first bytes.

/// What matters of a file's kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Opening it runs a program.
    Runs,
    /// A document that carries macros.
    Macro,
    /// A document with a file or control within, which opening starts.
    Object,
    Zip,
    Gzip,
    /// An archive whose format is not read here.
    Sealed,
    /// A document or picture that people open without fear.
    Document,
    Other,
}

/// How compound files (\[MS-CFB\]) begin.
const COMPOUND: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";

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
    "class",
    "cpl",
    "deskthemepack",
    "desktop",
    "dex",
    "diagcab",
    "diagcfg",
    "diagpkg",
    "dll",
    "dmg",
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
    "mjs",
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
    "pkg",
    "ps1",
    "ps1xml",
    "psc1",
    "psm1",
    "rdp",
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
    "theme",
    "themepack",
    "url",
    "vb",
    "vbe",
    "vbs",
    "vhd",
    "vhdx",
    "vxd",
    "website",
    "wim",
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

/// Whether more than the first 4 KiB tell the kind: images of disks begin with
/// nothing, and old documents name what they hold anywhere.
pub fn needs_more(head: &[u8]) -> bool {
    head.starts_with(COMPOUND)
        || is_rich_text(head)
        || (head.len() >= 512 && head[..512].iter().all(|b| *b == 0))
}

/// The kind by magic numbers. The first 4 KiB are enough, but where
/// [`needs_more`] says otherwise.
pub fn by_content(content: &[u8]) -> Kind {
    let starts = |magic: &[u8]| content.starts_with(magic);
    if is_program(content)
        || starts(b"\x7fELF")
        || starts(b"L\0\0\0\x01\x14\x02\0")
        || starts(b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d")
        // Encoded VBScript and JScript.
        || starts(b"#@~^")
        || is_disk(content)
    {
        return Kind::Runs;
    }
    if starts(b"ActiveMime") {
        return Kind::Macro;
    }
    if is_rich_text(content) {
        return rich_text(content);
    }
    if starts(b"PK\x03\x04") || starts(b"PK\x05\x06") {
        return Kind::Zip;
    }
    if starts(b"\x1f\x8b\x08") {
        return Kind::Gzip;
    }
    if starts(COMPOUND) {
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

/// Images of disks: ISO 9660 and UDF (ECMA-119, ECMA-167), VHD, VHDX, WIM, and a
/// FAT or NTFS volume by its boot sector.
fn is_disk(content: &[u8]) -> bool {
    let volume = content.get(0x8001..0x8006);
    let boot = content.get(510..512) == Some(b"\x55\xaa")
        && (content.starts_with(b"\xeb") || content.starts_with(b"\xe9"))
        && [&content[3..8], &content[54..57], &content[82..85]]
            .iter()
            .any(|name| [&b"NTFS "[..], b"FAT", b"EXFAT", b"MSDOS", b"mkfs."].contains(name));
    boot || volume == Some(b"CD001")
        || volume == Some(b"BEA01")
        || content.starts_with(b"conectix")
        || content.starts_with(b"vhdxfile")
        || content.starts_with(b"MSWIM\0\0\0")
}

/// Word opens what begins so, whatever follows the `t`.
fn is_rich_text(content: &[u8]) -> bool {
    content.starts_with(b"{\\rt")
}

/// Objects within rich text, which most exploits of Word come in.
fn rich_text(content: &[u8]) -> Kind {
    let has = |word: &[u8]| memchr::memmem::find(content, word).is_some();
    if has(b"\\objdata") || has(b"\\objocx") || has(b"\\objupdate") || has(b"\\objautlink") {
        Kind::Object
    } else {
        Kind::Other
    }
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
    } else if names("Ole10Native") {
        // A file of any kind, put into the document by hand.
        Kind::Object
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
