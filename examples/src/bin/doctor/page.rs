//! The report as a page: one file, without scripts, that loads nothing.

use mailwire_transport::{
    Protocol,
    doctor::{Finding, Report, Section, Severity},
};

use crate::terminal::summary;

const STYLE: &str = include_str!("page.css");

/// The whole page.
pub(crate) fn page(report: &Report) -> String {
    let title = escaped(&summary(report));
    let mut body =
        format!("<header>\n<h1>{}</h1>\n{}</header>\n<main>\n", escaped(&report.address), verdict(report));
    body += &servers(report);
    for section in Section::ALL {
        let findings: Vec<&Finding> = report.section(section).collect();
        if !findings.is_empty() {
            body += &of_section(section, findings);
        }
    }
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n{body}</main>\n\
         <footer>Made by the program doctor of mailwire {}.</footer>\n</body>\n</html>\n",
        env!("CARGO_PKG_VERSION")
    )
}

fn verdict(report: &Report) -> String {
    let words = match report.worst() {
        Severity::Error => "Something is wrong.",
        Severity::Warning => "It works, and could be better.",
        _ => "All is well.",
    };
    let counts: String = [Severity::Error, Severity::Warning, Severity::Note, Severity::Good]
        .into_iter()
        .map(|severity| {
            let count = report.findings.iter().filter(|finding| finding.severity == severity).count();
            let name = match (severity, count) {
                (Severity::Good, _) | (_, 1) => severity.to_string(),
                _ => format!("{severity}s"),
            };
            let empty = if count == 0 { " none" } else { "" };
            format!("<li class=\"{severity}{empty}\"><b>{count}</b> {name}</li>\n")
        })
        .collect();
    format!("<p class=\"verdict\">{words}</p>\n<ul class=\"counts\">\n{counts}</ul>\n")
}

fn servers(report: &Report) -> String {
    let rows: String = report
        .servers
        .iter()
        .map(|server| (protocol(server.protocol).to_owned(), server.to_string()))
        .chain(report.hosts.iter().map(|host| ("Takes mail".to_owned(), host.clone())))
        .map(|(use_, server)| {
            format!("<tr><th scope=\"row\">{}</th><td>{}</td></tr>\n", escaped(&use_), escaped(&server))
        })
        .collect();
    match rows.is_empty() {
        true => String::new(),
        false => format!("<section>\n<h2>Servers</h2>\n<table>\n{rows}</table>\n</section>\n"),
    }
}

fn protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Imap => "IMAP",
        Protocol::Pop3 => "POP3",
        Protocol::Submission => "Sends mail",
        Protocol::Lmtp => "LMTP",
        _ => "SMTP",
    }
}

/// The worst comes first; what is good is a line each.
fn of_section(section: Section, mut findings: Vec<&Finding>) -> String {
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let (good, others): (Vec<_>, Vec<_>) =
        findings.into_iter().partition(|finding| finding.severity == Severity::Good);
    let name = section.to_string();
    let mut letters = name.chars();
    let title: String =
        letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default();
    let mut text = format!("<section>\n<h2>{}</h2>\n", escaped(&title));
    text.extend(others.into_iter().map(of_finding));
    if !good.is_empty() {
        let lines: String = good
            .into_iter()
            .map(|finding| {
                format!(
                    "<li><span class=\"subject\">{}</span> {}</li>\n",
                    escaped(&finding.subject),
                    escaped(&finding.what)
                )
            })
            .collect();
        text += &format!("<ul class=\"fine\">\n{lines}</ul>\n");
    }
    text + "</section>\n"
}

fn of_finding(finding: &Finding) -> String {
    let severity = finding.severity;
    let mut text = format!(
        "<article class=\"{severity}\">\n<p class=\"head\"><span class=\"badge\">{severity}</span> \
         <span class=\"subject\">{}</span> <code>{}</code></p>\n<p>{}</p>\n",
        escaped(&finding.subject),
        escaped(finding.check),
        escaped(&finding.what)
    );
    if let Some(remedy) = &finding.remedy {
        text += &format!("<p class=\"remedy\"><b>What to do:</b> {}</p>\n", escaped(remedy));
    }
    if !finding.details.is_empty() {
        let rows: String = finding
            .details
            .iter()
            .map(|(name, value)| format!("<dt>{}</dt><dd>{}</dd>\n", escaped(name), escaped(value)))
            .collect();
        text += &format!("<details>\n<summary>Details</summary>\n<dl>\n{rows}</dl>\n</details>\n");
    }
    text + "</article>\n"
}

/// A text of somebody else, as it can stand in a page.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            _ => safe.push(letter),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_text_is_markup() {
        assert_eq!(escaped("<a b='c'>\"&amp;"), "&lt;a b=&#39;c&#39;&gt;&quot;&amp;amp;");
    }
}
