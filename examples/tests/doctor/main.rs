//! What the doctor says of domains that are wrong in one way each, over servers on loopback.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod bed;
mod certificates;
mod peers;
mod rows;
mod weak;
#[path = "../../../mail-transport/tests/zone/mod.rs"]
mod zone;

use std::collections::BTreeSet;

use mailwire_transport::doctor::{Report, Severity, checks};
use tokio::task::JoinSet;

use self::{
    bed::Bed,
    rows::{ERRORS, Row, WARNINGS},
};

fn told(report: &Report, severity: Severity) -> Vec<String> {
    report.at_least(severity).map(|finding| format!("{} ({finding})", finding.check)).collect()
}

#[tokio::test]
async fn where_all_is_right_nothing_is_told() {
    let mut bed = Bed::right();
    bed.send_test();
    let report = bed.examine().await;
    assert_eq!(told(&report, Severity::Warning), Vec::<String>::new());
    let good: BTreeSet<_> = report.findings.iter().map(|finding| finding.check).collect();
    for check in [
        "settings-found",
        "port-open",
        "certificate-good",
        "mx-found",
        "spf-found",
        "dkim-found",
        "dmarc-found",
        "mta-sts-found",
        "tlsrpt-found",
        "dane-found",
        "reverse-found",
        "login-works",
        "test-delivered",
    ] {
        assert!(good.contains(check), "{check}: {good:?}");
    }
}

/// Whoever has the key of such a certificate may be anybody.
#[tokio::test]
async fn nobody_logs_in_where_the_certificate_is_revoked() {
    let mut bed = Bed::right();
    bed.send_test();
    bed.certificate = certificates::Wrong::Revoked;
    let report = bed.examine().await;
    let checks: BTreeSet<_> = report.findings.iter().map(|finding| finding.check).collect();
    assert!(checks.contains("certificate-revoked") && checks.contains("test-withheld"), "{checks:?}");
    assert!(!checks.iter().any(|check| check.starts_with("login-")), "{checks:?}");
}

#[test]
fn the_book_has_all_checks() {
    let book = include_str!("../../../docs/src/doctor.md");
    let rows = checks().map(|check| {
        let section = check.section;
        format!("| `{}` | {section} | {} | {} |\n", check.name, check.severity, check.about)
    });
    let table = format!(
        "| check | section | usually | what it says |\n| --- | --- | --- | --- |\n{}",
        rows.collect::<String>()
    );
    assert!(book.contains(&table), "docs/src/doctor.md is to have this table:\n{table}");
}

/// Some of them at once, so that those who wait do not add up.
async fn examine(rows: &'static [Row], severity: Severity) {
    let mut wrong = Vec::new();
    let mut examined = 0;
    for rows in rows.chunks(24) {
        let mut going = JoinSet::new();
        for row in rows {
            going.spawn(async move {
                let mut bed = Bed::right();
                (row.change)(&mut bed);
                (row, bed.examine().await)
            });
        }
        while let Some(done) = going.join_next().await {
            let (row, report) = done.unwrap();
            examined += 1;
            let checks: BTreeSet<_> = report.at_least(severity).map(|finding| finding.check).collect();
            let worst = report.at_least(Severity::Error).count();
            let is_told = report.at_least(severity).any(|finding| {
                finding.check == row.check && finding.severity == severity && finding.remedy.is_some()
            });
            // One fault can be at several servers; it is one check all the same.
            if !is_told || checks.len() != 1 || (severity < Severity::Error && worst > 0) {
                wrong.push(format!(
                    "{}: expected {}, was told {:#?}",
                    row.name,
                    row.check,
                    told(&report, severity)
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {examined} are not as expected:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_error_is_told_and_nothing_else() {
    let names: BTreeSet<_> = ERRORS.iter().map(|row| row.name).collect();
    assert!(ERRORS.len() >= 40 && names.len() == ERRORS.len());
    examine(ERRORS, Severity::Error).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_warning_is_told_and_nothing_else() {
    examine(WARNINGS, Severity::Warning).await;
}
