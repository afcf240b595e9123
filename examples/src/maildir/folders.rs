//! Maildir++: the folders of an account beside its inbox, as folders whose names begin with a dot.

use std::{fs, io, path::Path};

use mailwire_transport::imap::proto::types::MailboxName;

/// The folder of a mailbox: nothing for INBOX, `.Archive.2025` for `Archive/2025`. Levels are in modified UTF-7, as
/// other programs have them; what cannot be in them is `%` and two hexadecimal digits.
///
/// `None` if it would be longer than names of files are, or a level is empty: `/` would be `..`, the folder above.
#[must_use]
pub fn folder_of(mailbox: &str, delimiter: Option<char>) -> Option<String> {
    if mailbox.eq_ignore_ascii_case("INBOX") {
        return Some(String::new());
    }
    let mut folder = String::new();
    for level in mailbox.split(|letter| Some(letter) == delimiter) {
        if level.is_empty() {
            return None;
        }
        folder.push('.');
        let mut escaped = String::new();
        for letter in level.chars() {
            match letter {
                // A backslash is between folders on Windows.
                '.' | '/' | '\\' | '%' => escaped += &format!("%{:02X}", u32::from(letter)),
                letter => escaped.push(letter),
            }
        }
        let encoded = MailboxName::new(&escaped).ok()?;
        folder += std::str::from_utf8(encoded.as_bytes()).ok()?;
    }
    (folder.len() <= LONGEST).then_some(folder)
}

/// File systems take names of 255 bytes.
const LONGEST: usize = 255;

/// The mailbox of a folder: the opposite of [`folder_of`]. `None` if no mailbox has it.
#[must_use]
pub fn mailbox_of(folder: &str, delimiter: Option<char>) -> Option<String> {
    if folder.is_empty() {
        return Some("INBOX".to_owned());
    }
    let mut mailbox = String::new();
    for (index, level) in folder.strip_prefix('.')?.split('.').enumerate() {
        if index > 0 {
            mailbox.push(delimiter?);
        }
        let level = MailboxName::from_wire(level).ok()?;
        let level = level.to_unicode();
        let mut rest = &*level;
        while let Some((before, after)) = rest.split_once('%') {
            let (digits, after) = after.split_at_checked(2)?;
            mailbox += before;
            mailbox.push(char::from(u8::from_str_radix(digits, 16).ok()?));
            rest = after;
        }
        mailbox += rest;
    }
    // Otherwise it is not spelled as it would be made, or a level has the delimiter in it.
    (folder_of(&mailbox, delimiter).as_deref() == Some(folder)).then_some(mailbox)
}

/// The folders below a Maildir that are Maildirs.
///
/// # Errors
///
/// It cannot be read.
pub fn subfolders(path: &Path) -> io::Result<Vec<String>> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if name.starts_with('.') && entry.path().join("cur").is_dir() {
            folders.push(name);
        }
    }
    folders.sort_unstable();
    Ok(folders)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_there_and_back() {
        for (mailbox, folder) in [
            ("INBOX", ""),
            ("Archive", ".Archive"),
            ("Archive/2025", ".Archive.2025"),
            ("Entwürfe & mehr", ".Entw&APw-rfe &- mehr"),
            ("v1.2/50%", ".v1%2E2.50%25"),
            ("日本", ".&ZeVnLA-"),
        ] {
            assert_eq!(folder_of(mailbox, Some('/')).as_deref(), Some(folder));
            assert_eq!(mailbox_of(folder, Some('/')).as_deref(), Some(mailbox));
        }
        assert_eq!(folder_of("a.b/c", Some('.')).as_deref(), Some(".a.b%2Fc"));
        assert_eq!(mailbox_of(".a.b%2Fc", Some('.')).as_deref(), Some("a.b/c"));
        // A slash that the server would take for a level.
        assert_eq!(mailbox_of(".b%2Fc", Some('/')), None);
        assert_eq!(mailbox_of(".a.b", None), None);
        assert_eq!(mailbox_of(".50%", Some('/')), None);
        assert_eq!(folder_of(&"x".repeat(300), Some('/')), None);
    }

    #[test]
    fn no_mailbox_is_outside() {
        for mailbox in ["", "/", "//", "/x", "x/", "x//y", "/../x"] {
            assert_eq!(folder_of(mailbox, Some('/')), None, "{mailbox:?}");
        }
        assert_eq!(folder_of(".", Some('.')), None);
        assert_eq!(folder_of("", None), None);
        for (mailbox, folder) in [
            (".", ".%2E"),
            ("..", ".%2E%2E"),
            ("../../x", ".%2E%2E.%2E%2E.x"),
            ("x\\..\\y", ".x%5C%2E%2E%5Cy"),
            ("cur", ".cur"),
            ("tmp/new", ".tmp.new"),
        ] {
            assert_eq!(folder_of(mailbox, Some('/')).as_deref(), Some(folder));
            assert_eq!(mailbox_of(folder, Some('/')).as_deref(), Some(mailbox));
        }
        assert_eq!(folder_of("..", None).as_deref(), Some(".%2E%2E"));
    }
}
