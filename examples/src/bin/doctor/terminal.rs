//! The report as text for a terminal, or for a file.

use std::{
    env,
    io::{self, IsTerminal as _},
};

use mailwire_transport::doctor::{Finding, Report, Section, Severity};

use crate::Colour;

/// How the text looks.
pub(crate) struct Look {
    pub(crate) has_colours: bool,
    /// How many columns there are; without, a line is as long as it is.
    pub(crate) width: Option<usize>,
}

impl Look {
    /// How it looks on standard output: in lines and with colours on a terminal, unless something else is asked for.
    pub(crate) fn of_stdout(colour: Colour) -> Self {
        let is_terminal = io::stdout().is_terminal();
        let (_, columns) = console::Term::stdout().size();
        Self {
            has_colours: has_colours(colour, is_terminal, |name| env::var(name).ok()),
            width: is_terminal.then(|| usize::from(columns).clamp(40, 100)),
        }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        match self.has_colours {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }

    fn severity(&self, severity: Severity) -> String {
        let (code, sign) = match severity {
            Severity::Error => ("1;31", "✗"),
            Severity::Warning => ("1;33", "!"),
            Severity::Note => ("36", "i"),
            _ => ("32", "✓"),
        };
        self.paint(code, &format!("{sign} {severity:<7}"))
    }

    /// Words in lines of the width, each after `indent` spaces.
    fn wrapped(&self, indent: usize, text: &str) -> String {
        let mut lines = vec![String::new()];
        for word in text.split_whitespace() {
            let length = |line: &String| line.chars().count().saturating_add(word.chars().count());
            match lines.last_mut() {
                Some(line) if line.is_empty() => line.push_str(word),
                Some(line) if self.width.is_none_or(|width| indent.saturating_add(length(line)) < width) => {
                    line.push(' ');
                    line.push_str(word);
                }
                _ => lines.push(word.to_owned()),
            }
        }
        let between = format!("\n{}", " ".repeat(indent));
        lines.join(&between)
    }
}

/// Whether there are colours, by what was asked for, [NO_COLOR](https://no-color.org), `CLICOLOR_FORCE` and the terminal, in this
/// order.
fn has_colours(colour: Colour, is_terminal: bool, variable: impl Fn(&str) -> Option<String>) -> bool {
    let is_set = |name| variable(name).is_some_and(|value| !value.is_empty());
    match colour {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto if is_set("NO_COLOR") => false,
        Colour::Auto if is_set("CLICOLOR_FORCE") && variable("CLICOLOR_FORCE").as_deref() != Some("0") => {
            true
        }
        Colour::Auto => is_terminal && variable("TERM").is_some_and(|term| term != "dumb"),
    }
}

/// The whole report.
pub(crate) fn text(report: &Report, look: &Look) -> String {
    let mut text = String::new();
    for section in Section::ALL {
        let findings: Vec<_> = report.section(section).collect();
        if findings.is_empty() {
            continue;
        }
        text += &format!("\n{}\n", look.paint("1", &section.to_string()));
        for finding in findings {
            text += &of_finding(finding, look);
        }
    }
    text += &format!("\n{}\n", look.wrapped(0, &summary(report)));
    text
}

/// `anna@example.org: 1 error, 2 warnings`.
pub(crate) fn summary(report: &Report) -> String {
    let count = |severity, one: &str| match report
        .findings
        .iter()
        .filter(|finding| finding.severity == severity)
        .count()
    {
        0 => None,
        1 => Some(format!("1 {one}")),
        count => Some(format!("{count} {one}s")),
    };
    let counts = [(Severity::Error, "error"), (Severity::Warning, "warning"), (Severity::Note, "note")];
    let counts: Vec<_> = counts.into_iter().filter_map(|(severity, one)| count(severity, one)).collect();
    match counts.is_empty() {
        true => format!("{}: all is well", report.address),
        false => format!("{}: {}", report.address, counts.join(", ")),
    }
}

fn of_finding(finding: &Finding, look: &Look) -> String {
    let head = format!("{}: {}", finding.subject, finding.what);
    let name = look.paint("2", &format!("[{}]", finding.check));
    let mut text = format!("{} {} {name}\n", look.severity(finding.severity), look.wrapped(10, &head));
    if let Some(remedy) = &finding.remedy {
        text += &format!("        {} {}\n", look.paint("1", "→"), look.wrapped(10, remedy));
    }
    if finding.severity > Severity::Good {
        for (name, value) in &finding.details {
            let detail = look.wrapped(10, &format!("{name}: {value}"));
            text += &format!("          {}\n", look.paint("2", &detail));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_who_wants_them() {
        let has = |colour, is_terminal, variables: &[(&str, &str)]| {
            let value = |name: &str| variables.iter().find(|(known, _)| *known == name);
            has_colours(colour, is_terminal, |name| value(name).map(|(_, value)| (*value).to_owned()))
        };
        let term = ("TERM", "xterm");
        assert!(has(Colour::Auto, true, &[term]) && !has(Colour::Auto, false, &[term]));
        assert!(!has(Colour::Auto, true, &[]) && !has(Colour::Auto, true, &[("TERM", "dumb")]));
        assert!(!has(Colour::Auto, true, &[term, ("NO_COLOR", "1")]));
        assert!(has(Colour::Auto, true, &[term, ("NO_COLOR", "")]));
        assert!(has(Colour::Auto, false, &[("CLICOLOR_FORCE", "1")]));
        assert!(!has(Colour::Auto, false, &[("CLICOLOR_FORCE", "0")]));
        assert!(!has(Colour::Auto, false, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
        // What is said counts more than what is in the environment.
        assert!(has(Colour::Always, false, &[("NO_COLOR", "1")]) && !has(Colour::Never, true, &[term]));
    }

    #[test]
    fn lines_are_wrapped_and_colours_can_be_left_out() {
        let look = Look { has_colours: false, width: Some(20) };
        assert_eq!(look.wrapped(2, "one two three four five"), "one two three four\n  five");
        assert_eq!(look.severity(Severity::Warning), "! warning");
        let look = Look { has_colours: true, width: None };
        assert_eq!(look.wrapped(2, "one two three four five six"), "one two three four five six");
        assert_eq!(look.severity(Severity::Error), "\x1b[1;31m✗ error  \x1b[0m");
    }
}
