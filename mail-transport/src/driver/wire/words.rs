//! The words that a line on the wire is told by.

/// The words of a line, each with the place of its end.
pub(super) fn words(line: &[u8]) -> impl Iterator<Item = (&[u8], usize)> {
    let mut at = 0_usize;
    line.split(u8::is_ascii_whitespace)
        .map(move |word| {
            let end = at.saturating_add(word.len());
            at = end.saturating_add(1);
            (word, end)
        })
        .filter(|(word, _)| !word.is_empty())
}

pub(super) fn is_one_of(word: &[u8], names: &[&str]) -> bool {
    names.iter().any(|name| word.eq_ignore_ascii_case(name.as_bytes()))
}

/// Commands that begin a SASL exchange.
pub(super) const EXCHANGES: &[&str] = &["AUTH", "AUTHENTICATE"];

/// Commands whose arguments are secret, of any of the protocols.
pub(super) const LOGINS: &[&str] = &["LOGIN", "PASS", "APOP", "AUTH", "AUTHENTICATE"];

/// SASL mechanisms whose names are shown.
pub(super) const MECHANISMS: &[&str] = &[
    "PLAIN",
    "LOGIN",
    "SCRAM-SHA-1",
    "SCRAM-SHA-1-PLUS",
    "SCRAM-SHA-256",
    "SCRAM-SHA-256-PLUS",
    "OAUTHBEARER",
    "XOAUTH2",
    "EXTERNAL",
    "ANONYMOUS",
    "CRAM-MD5",
    "DIGEST-MD5",
    "NTLM",
    "GSSAPI",
];

/// Commands of SMTP that show no secret.
pub(super) const SMTP: &[&str] = &[
    "EHLO", "HELO", "LHLO", "MAIL", "RCPT", "DATA", "BDAT", "RSET", "NOOP", "QUIT", "VRFY", "EXPN", "HELP",
    "STARTTLS",
];

/// Commands of IMAP that show no secret.
pub(super) const IMAP: &[&str] = &[
    "CAPABILITY",
    "NOOP",
    "LOGOUT",
    "STARTTLS",
    "SELECT",
    "EXAMINE",
    "CREATE",
    "DELETE",
    "RENAME",
    "SUBSCRIBE",
    "UNSUBSCRIBE",
    "LIST",
    "LSUB",
    "NAMESPACE",
    "STATUS",
    "APPEND",
    "CHECK",
    "CLOSE",
    "UNSELECT",
    "EXPUNGE",
    "SEARCH",
    "FETCH",
    "STORE",
    "COPY",
    "MOVE",
    "UID",
    "IDLE",
    "DONE",
    "ID",
    "ENABLE",
    "CANCELUPDATE",
    "COMPARATOR",
    "COMPRESS",
    "DELETEACL",
    "ESEARCH",
    "GETACL",
    "GETJMAPACCESS",
    "GETMETADATA",
    "GETQUOTA",
    "GETQUOTAROOT",
    "LANGUAGE",
    "LISTRIGHTS",
    "MYRIGHTS",
    "NOTIFY",
    "REPLACE",
    "RLIST",
    "RLSUB",
    "SETACL",
    "SETMETADATA",
    "SETQUOTA",
    "SORT",
    "THREAD",
    "UIDBATCHES",
    "UNAUTHENTICATE",
    "XLIST",
];

/// Commands of POP3 that show no secret.
pub(super) const POP3: &[&str] = &[
    "USER", "STAT", "LIST", "RETR", "DELE", "NOOP", "RSET", "QUIT", "TOP", "UIDL", "CAPA", "STLS", "UTF8",
    "LANG",
];
