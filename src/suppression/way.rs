//! How a server is given its list, in words that an operator types and in
//! numbers that stand on disk.

use std::fmt;

use minicbor::{Decode, Encode};

/// How a server is given its list.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Way {
    /// Our courier asks the list itself.
    #[n(0)]
    Own,
    /// A table of Postfix's, replaced as a whole.
    #[n(1)]
    MapFile {
        /// As main.cf names it: without the ending that some types have.
        #[n(0)]
        path: String,
        #[n(1)]
        #[cbor(default)]
        map: MapType,
    },
    /// Postfix asks us (socketmap_table(5)).
    #[n(2)]
    Socketmap,
    /// The server fetches it; the SHA-256 of its token.
    #[n(3)]
    Download(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>),
}

impl Way {
    /// A map file as main.cf names it, `cdb:/etc/postfix/blocked`; a path
    /// alone is a `texthash:`. `None`: it is no absolute path, or has what
    /// separates names in main.cf.
    pub fn map_file(text: &str) -> Option<Self> {
        let typed = MapType::ALL.into_iter().find_map(|map| {
            let path = text.strip_prefix(map.as_str())?.strip_prefix(':')?;
            Some((map, path))
        });
        let (map, path) = typed.unwrap_or((MapType::default(), text));
        let parts = |c: char| c == ',' || c.is_whitespace() || c.is_control();
        let fits = path.starts_with('/') && !path.ends_with('/') && !path.contains(parts);
        fits.then(|| Self::MapFile { path: path.to_owned(), map })
    }
}

/// As an operator types it.
impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own => f.write_str("own"),
            Self::MapFile { path, map } => write!(f, "{}:{path}", map.as_str()),
            Self::Socketmap => f.write_str("socketmap"),
            Self::Download(_) => f.write_str("download"),
        }
    }
}

/// Which of Postfix's tables a map file is (DATABASE_README). The numbers
/// stand on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum MapType {
    /// Text, which Postfix reads into memory when it is told to.
    #[default]
    #[n(0)]
    Texthash,
    /// Made by us; Postfix sees by itself that it was replaced.
    #[n(1)]
    Cdb,
    /// Made of our text by Postfix's `postmap`, which the operator's service
    /// runs: we start no programs.
    #[n(2)]
    Lmdb,
}

impl MapType {
    pub const ALL: [Self; 3] = [Self::Texthash, Self::Cdb, Self::Lmdb];

    /// Postfix's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Texthash => "texthash",
            Self::Cdb => "cdb",
            Self::Lmdb => "lmdb",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_file_is_named_as_in_main_cf() {
        for (text, shown) in [
            ("/etc/postfix/blocked", Some("texthash:/etc/postfix/blocked")),
            ("texthash:/etc/a", Some("texthash:/etc/a")),
            ("cdb:/etc/a", Some("cdb:/etc/a")),
            ("lmdb:/etc/a", Some("lmdb:/etc/a")),
            ("hash:/etc/a", None),
            ("cdb:a", None),
            ("cdb:/etc/a b", None),
            ("cdb:/etc/a,b", None),
            ("cdb:/etc/", None),
            ("", None),
        ] {
            let way = Way::map_file(text).map(|way| way.to_string());
            assert_eq!(way.as_deref(), shown, "{text}");
        }
    }

    /// A map file as it was stored before there were types.
    #[test]
    fn a_map_file_without_a_type_is_a_texthash() {
        #[derive(minicbor::Encode)]
        enum Before {
            #[n(1)]
            MapFile(#[n(0)] String),
        }
        let stored = minicbor::to_vec(Before::MapFile("/etc/a".to_owned())).unwrap();
        let way: Way = minicbor::decode(&stored).unwrap();
        assert_eq!(Some(way), Way::map_file("/etc/a"));
    }
}
