//! The report as JSON.

use mailwire_transport::doctor::{Finding, Report};
use serde_json::{Value, json};

/// The report as one object, in lines.
pub(crate) fn json(report: &Report) -> serde_json::Result<String> {
    let findings: Vec<Value> = report.findings.iter().map(finding).collect();
    let servers: Vec<Value> = report
        .servers
        .iter()
        .map(|server| {
            json!({
                "protocol": format!("{:?}", server.protocol).to_lowercase(),
                "host": server.host,
                "port": server.port,
                "tls": server.security.is_tls(),
            })
        })
        .collect();
    let report = json!({
        "address": report.address,
        "domain": report.domain,
        "worst": report.worst().to_string(),
        "servers": servers,
        "hosts": report.hosts,
        "findings": findings,
    });
    Ok(serde_json::to_string_pretty(&report)? + "\n")
}

fn finding(finding: &Finding) -> Value {
    let details: Vec<Value> =
        finding.details.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
    json!({
        "check": finding.check,
        "section": finding.section.to_string(),
        "severity": finding.severity.to_string(),
        "subject": finding.subject,
        "what": finding.what,
        "remedy": finding.remedy,
        "details": details,
    })
}
