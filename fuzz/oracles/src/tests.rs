//! Each oracle finds what it is for, and nothing where all is well.

#[global_allocator]
static ALLOCATOR: crate::memory::Counting = crate::memory::Counting;

use crate::{
    Observation, Subject, bounded_memory, independence, linear_cost, memory, no_secret, one_line, round_trip,
    shown_alike, split_invariance,
};

/// What is wrong with a reader of lines.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// It takes each piece for a line.
    Pieces,
    /// It keeps a place for each of the bytes that a line announces.
    Believing,
    /// It copies what it has for each piece.
    Copying,
    /// A line of `!` swallows the next.
    Disturbed,
}

struct Lines {
    fault: Fault,
    input: Vec<u8>,
    reserved: usize,
    swallows: bool,
}

fn lines(fault: Fault) -> impl Fn() -> Lines {
    move || Lines { fault, input: Vec::new(), reserved: 0, swallows: false }
}

impl Subject for Lines {
    fn feed(&mut self, bytes: &[u8], report: &mut dyn FnMut(Observation)) {
        if self.fault == Fault::Copying {
            self.input = [&self.input, bytes].concat();
        } else {
            self.input.extend_from_slice(bytes);
        }
        while let Some(end) = self.input.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.input.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            if std::mem::take(&mut self.swallows) {
                continue;
            }
            if self.fault == Fault::Believing {
                self.reserved = line.parse().unwrap_or(0);
            }
            self.swallows = self.fault == Fault::Disturbed && line == "!";
            report(Observation::Event(line));
        }
        if self.fault == Fault::Pieces && !self.input.is_empty() {
            report(Observation::Event(
                String::from_utf8_lossy(&std::mem::take(&mut self.input)).into_owned(),
            ));
        }
    }

    fn held(&self) -> usize {
        self.input.len() + self.reserved
    }
}

/// All oracles over one reader.
fn all(fault: Fault) {
    split_invariance(lines(fault), b"one\r\ntwo\r\n", &[1, 5]);
    bounded_memory(&mut lines(fault)(), b"100000\r\nx", 3, 64);
    linear_cost(lines(fault), b"a part of a line that has no end", 8, memory::taken);
    independence(lines(fault), b"!\r\n", b"good\r\n");
}

#[test]
fn nothing_is_found_where_all_is_well() {
    all(Fault::None);
    round_trip(&1, b"1", "1".parse::<i32>());
    one_line(b"a line\r\n");
    no_secret("Secret(_)", b"password");
    shown_alike(&"_", &"_");
}

#[test]
#[should_panic(expected = "byte by byte (right) differ")]
fn finds_pieces_taken_for_lines() {
    all(Fault::Pieces);
}

#[test]
#[should_panic(expected = "bytes are held after")]
fn finds_a_number_that_is_believed() {
    all(Fault::Believing);
}

#[test]
#[should_panic(expected = "times costs")]
fn finds_what_is_copied_again_and_again() {
    all(Fault::Copying);
}

#[test]
#[should_panic(expected = "is not what follows the malformed message")]
fn finds_a_message_that_disturbs_the_next() {
    all(Fault::Disturbed);
}

#[test]
#[should_panic(expected = "which does not parse")]
fn finds_what_does_not_read_back() {
    round_trip(&1, b"one", "one".parse::<i32>());
}

#[test]
#[should_panic(expected = "an injected line")]
fn finds_an_injected_line() {
    one_line(b"RCPT TO:<a@b>\r\nRSET\r\n");
}

#[test]
#[should_panic(expected = "a secret is shown")]
fn finds_a_secret() {
    no_secret("Secret(password)", b"password");
}

#[test]
#[should_panic(expected = "a secret is shown")]
fn finds_values_that_show_what_they_hide() {
    shown_alike(&"one", &"other");
}
