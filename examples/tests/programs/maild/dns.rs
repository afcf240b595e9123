//! A name server of a test's own.

use std::{collections::BTreeMap, net::UdpSocket, thread};

const A: u16 = 1;
const MX: u16 = 15;
const TXT: u16 = 16;

/// What there is in DNS.
#[derive(Default)]
pub(crate) struct Zone(BTreeMap<(String, u16), Vec<Vec<u8>>>);

impl Zone {
    pub(crate) fn text(self, name: &str, text: &str) -> Self {
        // A text is strings of at most 255 bytes (RFC 1035 section 3.3.14).
        let strings = text.as_bytes().chunks(255);
        let data = strings.flat_map(|it| [&[u8::try_from(it.len()).unwrap()], it].concat()).collect();
        self.with(name, TXT, data)
    }

    pub(crate) fn texts(texts: &[(&str, &str)]) -> Self {
        texts.iter().fold(Self::default(), |zone, (name, text)| zone.text(name, text))
    }

    /// A host for a domain's mail; `.` says that there is none.
    pub(crate) fn mx(self, name: &str, preference: u8, host: &str) -> Self {
        let labels = host.split('.').filter(|label| !label.is_empty());
        let mut data = vec![0, preference];
        data.extend(labels.flat_map(|it| [&[u8::try_from(it.len()).unwrap()], it.as_bytes()].concat()));
        data.push(0);
        self.with(name, MX, data)
    }

    pub(crate) fn address(self, name: &str, address: [u8; 4]) -> Self {
        self.with(name, A, address.to_vec())
    }

    fn with(mut self, name: &str, kind: u16, data: Vec<u8>) -> Self {
        self.0.entry((name.to_owned(), kind)).or_default().push(data);
        self
    }

    /// A name server on this machine that knows this, and nothing else. It ends with the process.
    pub(crate) fn serve(self) -> u16 {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        thread::spawn(move || {
            let mut query = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut query) {
                let _ = socket.send_to(&self.answer(&query[..length]), from);
            }
        });
        port
    }

    /// The answer to a question of one name ([RFC 1035 section 4](https://www.rfc-editor.org/rfc/rfc1035#section-4)).
    fn answer(&self, query: &[u8]) -> Vec<u8> {
        let (mut name, mut at) = (String::new(), 12);
        while query[at] != 0 {
            let label = &query[at + 1..at + 1 + usize::from(query[at])];
            name += &format!("{}.", String::from_utf8_lossy(label).to_lowercase());
            at += 1 + label.len();
        }
        let (name, question) = (name.trim_end_matches('.'), &query[12..at + 5]);
        let kind = u16::from_be_bytes([query[at + 1], query[at + 2]]);
        let found = self.0.get(&(name.to_owned(), kind)).map(Vec::as_slice).unwrap_or_default();
        // A response, recursion available; whether there is nothing of the name at all.
        let code = if self.0.keys().any(|(known, _)| known == name) { 0 } else { 3 };
        let count = u8::try_from(found.len()).unwrap();
        let mut answer = vec![query[0], query[1], 0x81, 0x80 | code, 0, 1, 0, count, 0, 0, 0, 0];
        answer.extend_from_slice(question);
        for data in found {
            answer.extend_from_slice(&[0xc0, 12]);
            answer.extend_from_slice(&kind.to_be_bytes());
            answer.extend_from_slice(&[0, 1, 0, 0, 0, 60]);
            answer.extend_from_slice(&u16::try_from(data.len()).unwrap().to_be_bytes());
            answer.extend_from_slice(data);
        }
        answer
    }
}
