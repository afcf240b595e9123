//! Runs one kind of hostile input, for callgrind: `cost NAME COUNT PIECE`; without arguments all of
//! them, to see that they work.

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [name, count, piece] => {
            let (Ok(count), Ok(piece)) = (count.parse(), piece.parse()) else { return };
            mailwire_benches::cost::run(name, count, piece);
        }
        _ => mailwire_benches::cost::check(),
    }
}
