//! Shortens texts that are too long for the wire.

use std::borrow::Cow;

const MARKER: &str = "\n... shortened ...\n";

/// Cuts the middle out of a text that has more than `max_bytes`, which must leave room for a marker.
pub(crate) fn shorten_middle(text: &str, max_bytes: usize) -> Cow<'_, str> {
    if text.len() <= max_bytes {
        return Cow::Borrowed(text);
    }
    let half = max_bytes.saturating_sub(MARKER.len()) / 2;
    let start = text.floor_char_boundary(half);
    let end = text.ceil_char_boundary(text.len().saturating_sub(half));
    Cow::Owned([text.get(..start).unwrap_or_default(), MARKER, text.get(end..).unwrap_or_default()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_text_stays_and_long_text_keeps_both_ends() {
        assert_eq!(shorten_middle("abc", 3), "abc");
        let long = "\u{20ac}".repeat(40);
        let short = shorten_middle(&long, 50);
        assert!(short.len() <= 50, "{}", short.len());
        assert_eq!(short, format!("{0}{MARKER}{0}", "\u{20ac}".repeat(5)));
    }
}
