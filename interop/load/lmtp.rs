//! Delivers messages by LMTP on several connections: `lmtp PORT CONNECTIONS MESSAGES BYTES USERS`. MAIL, RCPT and DATA share a
//! round trip, as a mail server sends them. Prints the seconds from the first message, on connections that are open, to
//! the last answer. The standard library is all that it needs.

use std::{
    io::{self, BufRead, BufReader, Write},
    net::TcpStream,
    sync::{Arc, Barrier},
    thread,
    time::Instant,
};

struct Line(BufReader<TcpStream>);

impl Line {
    /// Reads a reply, and whether it begins so.
    fn expect(&mut self, code: &str) -> io::Result<()> {
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line)?;
            if !line.starts_with(code) {
                return Err(io::Error::other(format!("{line:?} in place of {code}")));
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(());
            }
        }
    }

    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        self.0.get_mut().write_all(text)
    }
}

/// Words that are drawn anew for each message.
fn message(number: u64, size: usize) -> Vec<u8> {
    let mut random = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut text = format!(
        "From: Bob <bob@example.net>\r\nTo: anna@example.org\r\nSubject: message {number}\r\n\
        Message-ID: <{number}.{size}@example.net>\r\nDate: Sun, 29 Nov 2026 10:00:00 +0000\r\n\r\n"
    );
    while text.len() < size {
        for _ in 0..10 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            // One of 4096 words of four letters.
            text.extend(
                (0..4).map(|at| char::from(b'a' + (random >> (20 + 3 * at) & 7) as u8 + (at as u8) * 4)),
            );
            text.push(' ');
        }
        text.push_str("\r\n");
    }
    // A word that few have.
    if number % 1000 == 7 {
        text.push_str("needle\r\n");
    }
    text.push_str(".\r\n");
    text.into_bytes()
}

fn deliver(port: u16, first: u64, count: u64, size: usize, users: u64, starts: &Barrier) -> io::Result<()> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    let mut line = Line(BufReader::new(stream));
    line.expect("220")?;
    line.write(b"LHLO client.example.net\r\n")?;
    line.expect("250")?;
    starts.wait();
    for number in first..first + count {
        let user = number % users;
        line.write(
            format!("MAIL FROM:<bob@example.net>\r\nRCPT TO:<user{user}@example.org>\r\nDATA\r\n").as_bytes(),
        )?;
        line.expect("250")?;
        line.expect("250")?;
        line.expect("354")?;
        line.write(&message(number, size))?;
        line.expect("250")?;
    }
    line.write(b"QUIT\r\n")?;
    line.expect("221")
}

fn main() -> io::Result<()> {
    let numbers: Vec<u64> = std::env::args().skip(1).map(|word| word.parse().unwrap()).collect();
    let [port, connections, messages, size, users] = numbers[..] else { panic!("not five numbers") };
    let starts = Arc::new(Barrier::new(connections as usize + 1));
    let each = messages.div_ceil(connections);
    let lines: Vec<_> = (0..connections)
        .map(|connection| {
            let starts = Arc::clone(&starts);
            thread::spawn(move || {
                deliver(port as u16, connection * each, each, size as usize, users, &starts)
            })
        })
        .collect();
    starts.wait();
    let start = Instant::now();
    for line in lines {
        line.join().unwrap()?;
    }
    println!("{}", start.elapsed().as_secs_f64());
    Ok(())
}
