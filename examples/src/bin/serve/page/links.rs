//! Where a message leads: for people, who do not follow links in HTML that they cannot trust, and for tests.

use std::collections::HashSet;

/// More links than these, or longer ones, are left out.
const LINKS: usize = 200;
const LENGTH: usize = 4096;

/// The links of a text and of HTML, each once, in their order.
pub(super) fn links(text: Option<&str>, html: Option<&str>) -> Vec<String> {
    let mut known = HashSet::new();
    let all = html.into_iter().flat_map(of_html).chain(text.into_iter().flat_map(of_text));
    all.filter(|link| link.len() <= LENGTH && known.insert(link.clone())).take(LINKS).collect()
}

/// What begins with `http://` or `https://` in a text, without the marks of the sentence after it.
fn of_text(text: &str) -> impl Iterator<Item = String> + '_ {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let at = rest.find("http")?;
            let (_, link) = rest.split_at(at);
            let ends =
                |letter: char| letter.is_whitespace() || letter.is_control() || "<>\"'`".contains(letter);
            let (link, after) = link.split_at(link.find(ends).unwrap_or(link.len()));
            rest = after;
            if let Some(link) =
                of_web(link.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']', '}', '*']))
            {
                return Some(link);
            }
        }
    })
}

/// What `href` is given in HTML.
fn of_html(html: &str) -> impl Iterator<Item = String> + '_ {
    let mut rest = html;
    std::iter::from_fn(move || {
        loop {
            let at = rest.find(['h', 'H'])?;
            let (name, after) = rest.split_at(at).1.split_at_checked(4).unwrap_or(("", ""));
            if name.is_empty() {
                // Either the end, or the middle of a letter, which no `href` has.
                rest = rest.split_at(at + 1).1;
                continue;
            }
            let value = after.trim_start().strip_prefix('=').map(str::trim_start);
            let Some(value) = value.filter(|_| name.eq_ignore_ascii_case("href")) else {
                rest = rest.split_at(at + 1).1;
                continue;
            };
            let (link, after) = match value.chars().next() {
                Some(quote @ ('"' | '\'')) => value.split_at(1).1.split_once(quote).unwrap_or(("", "")),
                _ => {
                    value.split_at(value.find(|c: char| c.is_whitespace() || c == '>').unwrap_or(value.len()))
                }
            };
            rest = after;
            if let Some(link) = of_web(link.trim().replace("&amp;", "&")) {
                return Some(link);
            }
        }
    })
}

/// A link, if it leads into the web and has nothing in it that could pass for something else.
fn of_web(link: impl Into<String>) -> Option<String> {
    let link: String = link.into();
    let host = ["http://", "https://"].into_iter().find_map(|scheme| link.strip_prefix(scheme))?;
    let odd = |letter: char| letter.is_control() || letter.is_whitespace() || "<>\"".contains(letter);
    (!host.is_empty() && !link.contains(odd)).then_some(link)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_texts_and_of_html() {
        let text = "See (https://a.example/x?y=1&z=2). Or <http://b.example/>, http or https://, and https://a.example/x?y=1&z=2!";
        let html = "h <a HREF = 'https://c.example/?a=1&amp;b=2'>x</a><a href=https://d.example/e>x</a>\
                    <a href=\"javascript:alert(1)\">x</a><a href=\"/api\">x</a><a href=\"https://e.example/\nx\">x</a>\u{fc}hr\u{fc}h";
        let expected = [
            "https://c.example/?a=1&b=2",
            "https://d.example/e",
            "https://a.example/x?y=1&z=2",
            "http://b.example/",
        ];
        assert_eq!(links(Some(text), Some(html)), expected);
        assert!(links(None, Some("href=\"https://no.end.example/")).is_empty());
        assert!(links(Some(&format!("https://a.example/{}", "x".repeat(5000))), None).is_empty());
        let many: String = (0..1000).map(|number| format!("https://a.example/{number} ")).collect();
        assert_eq!(links(Some(&many), None).len(), LINKS);
    }
}
