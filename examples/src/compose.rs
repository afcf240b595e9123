//! Messages that are made of a text and files.

use std::{
    hash::{BuildHasher as _, Hasher as _, RandomState},
    io,
    path::Path,
};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use mail_builder::{MessageBuilder, headers::content_type::ContentType};

/// Makes a message of a text and files, with the date of now and an identifier of its own.
///
/// # Errors
///
/// A file cannot be read.
pub async fn compose<'a>(
    from: &str,
    to: impl Iterator<Item = &'a str>,
    subject: &str,
    text: &str,
    files: &[impl AsRef<Path>],
) -> Result<Bytes> {
    let domain = from.rsplit_once('@').map_or("localhost", |(_, domain)| domain);
    let random = || RandomState::new().build_hasher().finish();
    let mut message = MessageBuilder::new()
        .message_id(format!("{:016x}{:016x}@{domain}", random(), random()))
        .from(from)
        .to(to.collect::<Vec<_>>())
        .subject(subject)
        .text_body(text);
    for path in files {
        let path = path.as_ref();
        let read = tokio::fs::read(path).await;
        let content = read.with_context(|| format!("cannot read {}", path.display()))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut is_of = ContentType::new(content_type(&name));
        if is_of.c_type.starts_with("text/") && std::str::from_utf8(&content).is_ok() {
            is_of = is_of.attribute("charset", "utf-8");
        }
        message = message.attachment(is_of, name, content);
    }
    let written = message.write_to_vec();
    written
        .map(Bytes::from)
        .map_err(|error: io::Error| anyhow::Error::new(error).context("cannot write the message"))
}

/// By the ends of names: what people attach to mail. [The registered names of
/// IANA](https://www.iana.org/assignments/media-types/). Messages are not among them: as `message/rfc822` they may not be
/// encoded ([RFC 2046 section 5.2.1](https://www.rfc-editor.org/rfc/rfc2046#section-5.2.1)), and would be changed on their way.
const TYPES: [(&str, &str); 33] = [
    ("7z", "application/x-7z-compressed"),
    ("avif", "image/avif"),
    ("bz2", "application/x-bzip2"),
    ("css", "text/css"),
    ("csv", "text/csv"),
    ("doc", "application/msword"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("gif", "image/gif"),
    ("gz", "application/gzip"),
    ("htm", "text/html"),
    ("html", "text/html"),
    ("ics", "text/calendar"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("json", "application/json"),
    ("md", "text/markdown"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("odp", "application/vnd.oasis.opendocument.presentation"),
    ("ods", "application/vnd.oasis.opendocument.spreadsheet"),
    ("odt", "application/vnd.oasis.opendocument.text"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("ppt", "application/vnd.ms-powerpoint"),
    ("pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    ("svg", "image/svg+xml"),
    ("txt", "text/plain"),
    ("vcf", "text/vcard"),
    ("webp", "image/webp"),
    ("xls", "application/vnd.ms-excel"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("xml", "application/xml"),
    ("zip", "application/zip"),
];

/// The content type of a file by its name; where that tells nothing, any bytes.
#[must_use]
pub fn content_type(name: &str) -> &'static str {
    let end = name.rsplit_once('.').map(|(_, end)| end.to_ascii_lowercase());
    let known = end.and_then(|end| TYPES.iter().find(|(known, _)| *known == end));
    known.map_or("application/octet-stream", |(_, content_type)| content_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_types() {
        assert_eq!(content_type("Report.PDF"), "application/pdf");
        assert_eq!(content_type("a.tar.gz"), "application/gzip");
        assert_eq!(content_type("README"), "application/octet-stream");
        assert_eq!(content_type("x.eml"), "application/octet-stream");
        assert!(TYPES.is_sorted());
    }
}
