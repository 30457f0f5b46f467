//! Who has signed a commit: SSH signatures, and the keys that are allowed to make them.
//!
//! An allowed-signers file is that of OpenSSH. What is not understood there allows nobody: it is an error.

use std::path::Path;

use aws_lc_rs::digest;
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use git2::{ErrorCode, Oid, Repository};

use super::error::SourceError;
use super::revision::unusable;

/// The one type of keys that is understood.
const KEY_TYPE: &str = "ssh-ed25519";
/// What a signature of git is made for.
const NAMESPACE: &str = "git";
/// First bytes of a signature, and of what is signed.
const MAGIC: &[u8] = b"SSHSIG";
const VERSION: u32 = 1;
const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";
const END: &str = "-----END SSH SIGNATURE-----";

/// Keys whose signature makes a commit trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signers {
    /// Public keys of [`KEY_TYPE`], 32 bytes each, as they stand inside of signatures.
    keys: Vec<Vec<u8>>,
}

/// Says that a file is no list of allowed signers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SignersError(String);

impl Signers {
    /// Reads an allowed-signers file.
    ///
    /// # Errors
    /// A line is not understood, or there is none.
    pub fn parse(text: &str) -> Result<Self, SignersError> {
        let mut keys = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            keys.push(key_of(line).map_err(|reason| SignersError(format!("line {}: {reason}", index + 1)))?);
        }
        match keys.is_empty() {
            true => Err(SignersError("it has no key".to_owned())),
            false => Ok(Signers { keys }),
        }
    }

    /// Checks that one of the keys has signed a commit.
    ///
    /// # Errors
    /// The repository cannot be read, or the commit is not signed by one of them.
    pub(super) fn check(&self, repository: &Path, shown: &str, commit: Oid) -> Result<(), SourceError> {
        let opened = Repository::open(repository).map_err(|error| unusable(shown, &error))?;
        let reason = match opened.extract_signature(&commit, None) {
            Ok((signature, signed)) => match self.judge(&String::from_utf8_lossy(&signature), &signed) {
                Ok(()) => return Ok(()),
                Err(reason) => reason,
            },
            Err(error) if error.code() == ErrorCode::NotFound => "it has no signature",
            Err(error) => return Err(unusable(shown, &error)),
        };
        Err(SourceError::NotTrusted { revision: format!("commit {commit}"), reason })
    }

    /// Judges a signature of some bytes; the error says why it does not count.
    fn judge(&self, armored: &str, signed: &[u8]) -> Result<(), &'static str> {
        let blob = unarmored(armored).ok_or("its signature is not one of SSH")?;
        let signature = Signature::read(&blob).ok_or("its signature is damaged or of an unknown kind")?;
        if signature.namespace != NAMESPACE.as_bytes() {
            return Err("its signature was made for something else");
        }
        if !self.keys.iter().any(|key| key == signature.key) {
            return Err("the key that signed it is not an allowed one");
        }
        let message = signature.message(signed).ok_or("its signature is damaged or of an unknown kind")?;
        let key = UnparsedPublicKey::new(&ED25519, signature.key);
        key.verify(&message, signature.bytes).map_err(|_| "its signature is wrong")
    }
}

/// Reads the key of a line `PRINCIPALS [OPTIONS] TYPE KEY [COMMENT]`.
fn key_of(line: &str) -> Result<Vec<u8>, &'static str> {
    let mut words = line.split_whitespace().skip(1);
    let mut word = words.next().ok_or("it has no key")?;
    if word == format!("namespaces=\"{NAMESPACE}\"") {
        word = words.next().ok_or("it has no key")?;
    }
    if word != KEY_TYPE {
        return Err("only keys of type ssh-ed25519 are understood, and the option namespaces=\"git\"");
    }
    let blob = words.next().and_then(|key| BASE64.decode(key).ok()).ok_or("its key is not base64")?;
    ed25519_key(&blob).map(<[u8]>::to_vec).ok_or("its key is damaged")
}

/// Returns the bytes of a public key.
fn ed25519_key(blob: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader(blob);
    let fits = reader.string()? == KEY_TYPE.as_bytes();
    let key = reader.string()?;
    (fits && key.len() == 32 && reader.0.is_empty()).then_some(key)
}

fn unarmored(text: &str) -> Option<Vec<u8>> {
    let inner = text.trim().strip_prefix(BEGIN)?.strip_suffix(END)?;
    let compact: String = inner.split_ascii_whitespace().collect();
    BASE64.decode(compact).ok()
}

/// The parts of a signature.
struct Signature<'a> {
    key: &'a [u8],
    namespace: &'a [u8],
    reserved: &'a [u8],
    hash: &'a [u8],
    bytes: &'a [u8],
}

impl<'a> Signature<'a> {
    fn read(blob: &'a [u8]) -> Option<Self> {
        let mut reader = Reader(blob.strip_prefix(MAGIC)?);
        if reader.number()? != VERSION {
            return None;
        }
        let key = ed25519_key(reader.string()?)?;
        let [namespace, reserved, hash] = [reader.string()?, reader.string()?, reader.string()?];
        let mut signature = Reader(reader.string()?);
        let fits = signature.string()? == KEY_TYPE.as_bytes();
        let bytes = signature.string()?;
        let whole = fits && signature.0.is_empty() && reader.0.is_empty();
        whole.then_some(Signature { key, namespace, reserved, hash, bytes })
    }

    /// Returns what was signed for these bytes.
    fn message(&self, signed: &[u8]) -> Option<Vec<u8>> {
        let algorithm = match self.hash {
            b"sha512" => &digest::SHA512,
            b"sha256" => &digest::SHA256,
            _ => return None,
        };
        let hashed = digest::digest(algorithm, signed);
        let mut message = MAGIC.to_vec();
        for part in [self.namespace, self.reserved, self.hash, hashed.as_ref()] {
            message.extend(u32::try_from(part.len()).ok()?.to_be_bytes());
            message.extend(part);
        }
        Some(message)
    }
}

/// Reads what SSH writes: numbers of four bytes, and texts after their length.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn number(&mut self) -> Option<u32> {
        let (number, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*number))
    }

    fn string(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIEyMOPrUK5a28WVOUacuONsvcK6BacNYcP0Woq+EyY1U";
    const OTHER: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIDeQ7jIPzz1+Bzy4ZlkpWnOi6CVDozJY72n8S26Qw4uU";
    /// `printf 'hello\n' | ssh-keygen -Y sign -n git -f KEY`
    const SIGNATURE: &str = "\
-----BEGIN SSH SIGNATURE-----
U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAgTIw4+tQrlrbxZU5Rpy442y9wro
Fpw1hw/Rair4TJjVQAAAADZ2l0AAAAAAAAAAZzaGE1MTIAAABTAAAAC3NzaC1lZDI1NTE5
AAAAQBcoiWLIed7tB9JLEaeQ0jsrGH093+hBf0dbruDP36Mmf6HJP9LXWnOy8UUT8CKwEh
i4hNMm1pxXx7tkxYsyVA0=
-----END SSH SIGNATURE-----
";

    fn signers(key: &str) -> Signers {
        Signers::parse(&format!("# who\n\nme@example.com namespaces=\"git\" ssh-ed25519 {key} me\n")).unwrap()
    }

    /// Judges the signature after its bytes were changed.
    fn judge_changed(change: impl Fn(&mut Vec<u8>)) -> Result<(), &'static str> {
        let mut blob = unarmored(SIGNATURE).unwrap();
        change(&mut blob);
        signers(KEY).judge(&format!("{BEGIN}\n{}\n{END}", BASE64.encode(blob)), b"hello\n")
    }

    #[test]
    fn what_an_allowed_key_signed_counts_and_nothing_else() {
        assert_eq!(signers(KEY).judge(SIGNATURE, b"hello\n"), Ok(()));
        assert_eq!(signers(KEY).judge(SIGNATURE, b"hallo\n"), Err("its signature is wrong"));
        let not_allowed = "the key that signed it is not an allowed one";
        assert_eq!(signers(OTHER).judge(SIGNATURE, b"hello\n"), Err(not_allowed));
        let pgp = "-----BEGIN PGP SIGNATURE-----\nx\n-----END PGP SIGNATURE-----";
        assert_eq!(signers(KEY).judge(pgp, b"hello\n"), Err("its signature is not one of SSH"));
        let elsewhere = judge_changed(|blob| {
            let place = blob.windows(3).position(|part| part == NAMESPACE.as_bytes()).unwrap();
            blob[place] = b'j';
        });
        assert_eq!(elsewhere, Err("its signature was made for something else"));
        assert_eq!(judge_changed(|blob| *blob.last_mut().unwrap() ^= 1), Err("its signature is wrong"));
    }

    #[test]
    fn a_damaged_signature_never_counts() {
        let whole = unarmored(SIGNATURE).unwrap().len();
        for length in 0..whole {
            assert!(judge_changed(|blob| blob.truncate(length)).is_err(), "{length}");
        }
        assert!(judge_changed(|blob| blob.push(0)).is_err());
        for place in 0..whole {
            assert!(judge_changed(|blob| blob[place] ^= 0x80).is_err(), "{place}");
        }
    }

    #[test]
    fn a_line_that_is_not_understood_allows_nobody() {
        let reason = |text: &str| Signers::parse(text).unwrap_err().to_string();
        assert_eq!(reason("# nobody\n"), "it has no key");
        for line in [
            "me ssh-rsa AAAA",
            &format!("me cert-authority ssh-ed25519 {KEY}"),
            &format!("ssh-ed25519 {KEY}"),
        ] {
            let text = reason(&format!("me ssh-ed25519 {KEY}\n{line}\n"));
            assert!(text.starts_with("line 2: "), "{text}");
        }
        assert_eq!(reason("me ssh-ed25519 !"), "line 1: its key is not base64");
        assert_eq!(reason("me ssh-ed25519 AAAA"), "line 1: its key is damaged");
        assert_eq!(reason("me"), "line 1: it has no key");
    }
}
