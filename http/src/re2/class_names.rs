//! The classes that have names: Perl's, POSIX', and those of Unicode, of which only what is in Latin-1 counts.

use super::byte_set::ByteSet;

/// Returns the class of `\d`, `\s` or `\w`, or what is in none, for a capital letter. They are ASCII.
pub(super) fn perl(letter: u8) -> Option<(ByteSet, bool)> {
    let set = match letter.to_ascii_lowercase() {
        b'd' => ByteSet::of(|byte| byte.is_ascii_digit()),
        b's' => ByteSet::of(|byte| b"\t\n\x0c\r ".contains(&byte)),
        b'w' => ByteSet::of(is_word),
        _ => return None,
    };
    Some((set, letter.is_ascii_uppercase()))
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Returns whether a byte may stand in the name of a group: letters of Latin-1, digits and `_`.
pub(super) fn may_name_a_group(byte: u8) -> bool {
    is_word(byte) || category(byte).starts_with('L')
}

/// Returns the class that stands in brackets as `[:name:]`.
pub(super) fn posix(name: &[u8]) -> Option<ByteSet> {
    Some(ByteSet::of(match name {
        b"alnum" => |byte: u8| byte.is_ascii_alphanumeric(),
        b"alpha" => |byte: u8| byte.is_ascii_alphabetic(),
        b"ascii" => |byte: u8| byte.is_ascii(),
        b"blank" => |byte: u8| byte == b' ' || byte == b'\t',
        b"cntrl" => |byte: u8| byte.is_ascii_control(),
        b"digit" => |byte: u8| byte.is_ascii_digit(),
        b"graph" => |byte: u8| byte.is_ascii_graphic(),
        b"lower" => |byte: u8| byte.is_ascii_lowercase(),
        b"print" => |byte: u8| byte.is_ascii_graphic() || byte == b' ',
        b"punct" => |byte: u8| byte.is_ascii_punctuation(),
        b"space" => |byte: u8| b"\t\n\x0b\x0c\r ".contains(&byte),
        b"upper" => |byte: u8| byte.is_ascii_uppercase(),
        b"word" => is_word,
        b"xdigit" => |byte: u8| byte.is_ascii_hexdigit(),
        _ => return None,
    }))
}

/// Returns the class of `\p{name}`: a general category, a script or `Any`. Names are read as they are written.
pub(super) fn unicode(name: &[u8]) -> Option<ByteSet> {
    let name = std::str::from_utf8(name).ok()?;
    match name {
        "Any" => return Some(ByteSet::of(|_| true)),
        "Latin" => return Some(ByteSet::of(is_latin)),
        "Common" => return Some(ByteSet::of(|byte| !is_latin(byte))),
        _ => {}
    }
    if CATEGORIES.split(' ').any(|known| known == name) {
        return Some(ByteSet::of(|byte| category(byte).starts_with(name)));
    }
    OTHER_SCRIPTS.split_ascii_whitespace().any(|known| known == name).then(ByteSet::empty)
}

fn is_latin(byte: u8) -> bool {
    category(byte).starts_with('L') && byte != 0xb5
}

/// The general category of a character of Latin-1.
fn category(byte: u8) -> &'static str {
    match byte {
        b'A'..=b'Z' | 0xc0..=0xd6 | 0xd8..=0xde => "Lu",
        b'a'..=b'z' | 0xb5 | 0xdf..=0xf6 | 0xf8..=0xff => "Ll",
        0xaa | 0xba => "Lo",
        b'0'..=b'9' => "Nd",
        0xb2 | 0xb3 | 0xb9 | 0xbc..=0xbe => "No",
        0x00..=0x1f | 0x7f..=0x9f => "Cc",
        0xad => "Cf",
        b' ' | 0xa0 => "Zs",
        b'(' | b'[' | b'{' => "Ps",
        b')' | b']' | b'}' => "Pe",
        b'_' => "Pc",
        b'-' => "Pd",
        0xab => "Pi",
        0xbb => "Pf",
        b'$' | 0xa2..=0xa5 => "Sc",
        b'+' | b'<'..=b'>' | b'|' | b'~' | 0xac | 0xb1 | 0xd7 | 0xf7 => "Sm",
        b'^' | b'`' | 0xa8 | 0xaf | 0xb4 | 0xb8 => "Sk",
        0xa6 | 0xa9 | 0xae | 0xb0 => "So",
        _ => "Po",
    }
}

const CATEGORIES: &str =
    "C Cc Cf Co Cs L Ll Lm Lo Lt Lu M Mc Me Mn N Nd Nl No P Pc Pd Pe Pf Pi Po Ps S Sc Sk Sm So Z Zl Zp Zs";

/// The scripts of Unicode 15 that have nothing in Latin-1.
const OTHER_SCRIPTS: &str = "
    Adlam Ahom Anatolian_Hieroglyphs Arabic Armenian Avestan Balinese Bamum Bassa_Vah Batak Bengali Bhaiksuki
    Bopomofo Brahmi Braille Buginese Buhid Canadian_Aboriginal Carian Caucasian_Albanian Chakma Cham Cherokee
    Chorasmian Coptic Cuneiform Cypriot Cypro_Minoan Cyrillic Deseret Devanagari Dives_Akuru Dogra Duployan
    Egyptian_Hieroglyphs Elbasan Elymaic Ethiopic Georgian Glagolitic Gothic Grantha Greek Gujarati
    Gunjala_Gondi Gurmukhi Han Hangul Hanifi_Rohingya Hanunoo Hatran Hebrew Hiragana Imperial_Aramaic Inherited
    Inscriptional_Pahlavi Inscriptional_Parthian Javanese Kaithi Kannada Katakana Kawi Kayah_Li Kharoshthi
    Khitan_Small_Script Khmer Khojki Khudawadi Lao Lepcha Limbu Linear_A Linear_B Lisu Lycian Lydian Mahajani
    Makasar Malayalam Mandaic Manichaean Marchen Masaram_Gondi Medefaidrin Meetei_Mayek Mende_Kikakui
    Meroitic_Cursive Meroitic_Hieroglyphs Miao Modi Mongolian Mro Multani Myanmar Nabataean Nag_Mundari
    Nandinagari New_Tai_Lue Newa Nko Nushu Nyiakeng_Puachue_Hmong Ogham Ol_Chiki Old_Hungarian Old_Italic
    Old_North_Arabian Old_Permic Old_Persian Old_Sogdian Old_South_Arabian Old_Turkic Old_Uyghur Oriya Osage
    Osmanya Pahawh_Hmong Palmyrene Pau_Cin_Hau Phags_Pa Phoenician Psalter_Pahlavi Rejang Runic Samaritan
    Saurashtra Sharada Shavian Siddham SignWriting Sinhala Sogdian Sora_Sompeng Soyombo Sundanese Syloti_Nagri
    Syriac Tagalog Tagbanwa Tai_Le Tai_Tham Tai_Viet Takri Tamil Tangsa Tangut Telugu Thaana Thai Tibetan
    Tifinagh Tirhuta Toto Ugaritic Vai Vithkuqi Wancho Warang_Citi Yezidi Yi Zanabazar_Square
";

#[cfg(test)]
mod tests {
    use regex_syntax::hir::{Class, HirKind};

    use super::*;

    /// The same class by another's tables, as far as Latin-1 goes.
    fn by_library(name: &str) -> ByteSet {
        let pattern = format!(r"\p{{{name}}}");
        let hir = regex_syntax::parse(&pattern).unwrap();
        match hir.kind() {
            HirKind::Class(Class::Unicode(class)) => ByteSet::of(|byte| {
                let letter = char::from(byte);
                class.iter().any(|range| (range.start()..=range.end()).contains(&letter))
            }),
            _ => ByteSet::empty(),
        }
    }

    #[test]
    fn categories_and_scripts_are_those_of_unicode() {
        // `Cs` is no class of characters, and the library counts to `C` what is not assigned, which Latin-1 has none of.
        let categories = CATEGORIES.split(' ').filter(|name| *name != "Cs");
        for name in categories.chain(["Any", "Latin", "Common"]).chain(OTHER_SCRIPTS.split_ascii_whitespace())
        {
            assert!(unicode(name.as_bytes()).unwrap() == by_library(name), "{name}");
        }
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for name in ["greek", "any", "Letter", "Garay", "LC", "Cn", "", "L ", "Latin\n"] {
            assert!(unicode(name.as_bytes()).is_none(), "{name}");
        }
    }
}
