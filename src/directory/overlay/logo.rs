//! The picture that leads an organisation's pages.
//!
//! Known by its first bytes, never by what somebody says of them; no SVG,
//! which may hold scripts.

use std::fmt::Write as _;

use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};

use super::Unfit;

/// Bytes of a logo.
pub const LOGO: usize = 64 * 1024;

/// A picture that leads the organisation's pages.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct Logo {
    #[n(0)]
    pub kind: Picture,
    #[cbor(n(1), with = "minicbor::bytes")]
    pub bytes: Vec<u8>,
    /// Another one for other bytes: 20 hexadecimal digits of their SHA-256.
    #[n(2)]
    pub version: String,
}

/// The numbers stand on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Picture {
    #[n(0)]
    Png,
    #[n(1)]
    Jpeg,
    #[n(2)]
    Webp,
}

impl Picture {
    /// By the first bytes, never by what somebody says of them.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => Some(Self::Png),
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::Webp),
            _ => None,
        }
    }

    pub fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Webp => "image/webp",
        }
    }
}

impl Logo {
    /// # Errors
    /// [`Unfit`] for what is larger than [`LOGO`] or no picture.
    pub fn new(bytes: Vec<u8>) -> Result<Self, Unfit> {
        if bytes.len() > LOGO {
            return Err(Unfit::Long);
        }
        let kind = Picture::of(&bytes).ok_or(Unfit::Picture)?;
        let mut version = String::new();
        for byte in &Sha256::digest(&bytes)[..10] {
            let _ = write!(version, "{byte:02x}");
        }
        Ok(Self { kind, bytes, version })
    }
}

impl std::fmt::Debug for Logo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "logo {:?} {}", self.kind, self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pictures_become_logos() {
        let png = b"\x89PNG\r\n\x1a\nrest".to_vec();
        assert_eq!(Logo::new(png).unwrap().kind, Picture::Png);
        assert_eq!(Logo::new(b"\xff\xd8\xff\xe0".to_vec()).unwrap().kind, Picture::Jpeg);
        assert_eq!(Logo::new(b"RIFF0000WEBPVP8 ".to_vec()).unwrap().kind, Picture::Webp);
        for bad in [&b"<svg onload=alert(1)>"[..], b"GIF89a", b"", b"\x89PNG", b"RIFF0000WAVE"] {
            assert_eq!(Logo::new(bad.to_vec()), Err(Unfit::Picture));
        }
        let mut large = b"\x89PNG\r\n\x1a\n".to_vec();
        large.resize(LOGO + 1, 0);
        assert_eq!(Logo::new(large), Err(Unfit::Long));
    }
}
