//! Asks of a parser of one's own what is asked of ours: in a fuzz target, `data` comes from `fuzz_target!`.
use mailwire_oracles::{
    Observation, Subject, bounded_memory, independence, linear_cost, memory, split_invariance,
};

/// Commands of some protocol, one a line.
#[derive(Default)]
struct Commands(Vec<u8>);

impl Subject for Commands {
    fn feed(&mut self, bytes: &[u8], report: &mut dyn FnMut(Observation)) {
        self.0.extend_from_slice(bytes);
        while let Some(end) = self.0.windows(2).position(|pair| pair == b"\r\n") {
            let line: Vec<u8> = self.0.drain(..end + 2).collect();
            report(Observation::Event(String::from_utf8_lossy(line.trim_ascii_end()).into_owned()));
        }
    }

    fn held(&self) -> usize {
        self.0.len()
    }
}

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

fn main() {
    let data = b"NOOP\r\nRSET\r\nQUIT\r\nbut not the end of";
    split_invariance(Commands::default, data, &[1, 5, 7, 20]);
    bounded_memory(&mut Commands::default(), data, 2, 64);
    linear_cost(Commands::default, data, 4, memory::taken);
    independence(Commands::default, b"\xff\r\n", b"NOOP\r\n");
    println!("as it should be");
}
