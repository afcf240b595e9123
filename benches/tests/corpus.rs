//! That what is measured works: every contender reads its input, and ours finds in it what the others
//! find. The groups check that when they are made.

#[test]
fn every_contender_reads_its_input() {
    let groups = mailwire_benches::groups();
    assert!(groups.len() > 50);
    for group in groups {
        for item in &group.items {
            item.work()(1);
        }
    }
}

#[test]
fn every_kind_of_hostile_input_is_survived() {
    mailwire_benches::cost::check();
}

#[test]
fn the_envelope_is_of_the_size_that_aims_were_set_for() {
    let length = mailwire_benches::corpus::FETCH_ENVELOPE.len();
    assert!((530..=560).contains(&length), "{length} bytes");
}
