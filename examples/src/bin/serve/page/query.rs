//! What stands after the question mark.

use std::time::Duration;

use super::answer::Refused;

/// Names and values of a request ([URL standard](https://url.spec.whatwg.org/#urlencoded-parsing)).
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn parse(query: &str) -> Self {
        let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (unescaped(&name.replace('+', " ")), unescaped(&value.replace('+', " ")))
        });
        Self(pairs.collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }

    /// Whether it is there, and does not say that it is not meant.
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| !matches!(value, "false" | "0"))
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, Refused> {
        let Some(value) = self.get(name).filter(|value| !value.is_empty()) else { return Ok(None) };
        let wrong = |_| Refused::Wrong(format!("{name}: {value:?} is no whole number"));
        value.parse().map(Some).map_err(wrong)
    }

    pub(super) fn seconds(&self, name: &str) -> Result<Option<Duration>, Refused> {
        let Some(value) = self.get(name).filter(|value| !value.is_empty()) else { return Ok(None) };
        let seconds = value.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let wrong = || Refused::Wrong(format!("{name}: {value:?} are no seconds"));
        seconds.map(Some).ok_or_else(wrong)
    }
}

/// A text without its percent-encoding. What is none stays as it is.
pub(super) fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let hex = |at: usize| after.get(at).and_then(|&digit| char::from(digit).to_digit(16));
        let escape = (byte == b'%').then(|| Some(hex(0)? << 4 | hex(1)?)).flatten();
        match escape.and_then(|escape| u8::try_from(escape).ok()) {
            Some(escaped) => {
                bytes.push(escaped);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        let query = Query::parse("a=1&&b&c=%C3%BC+x%&d=%zz%4&a=2&timeout=0.5&e=false&n=x");
        assert_eq!(query.get("a"), Some("1"));
        assert_eq!((query.get("b"), query.get("x")), (Some(""), None));
        assert_eq!(query.get("c"), Some("ü x%"));
        assert_eq!(query.get("d"), Some("%zz%4"));
        assert_eq!(query.number("a").unwrap(), Some(1));
        assert_eq!(query.number("x").unwrap(), None);
        assert!(query.number("n").is_err() && query.seconds("n").is_err());
        assert_eq!(query.seconds("timeout").unwrap(), Some(Duration::from_millis(500)));
        assert!(query.is_set("b") && !query.is_set("e") && !query.is_set("x"));
        for seconds in ["-1", "inf", "NaN", "1e300"] {
            assert!(Query::parse(&format!("s={seconds}")).seconds("s").is_err(), "{seconds}");
        }
    }
}
