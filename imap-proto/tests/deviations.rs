//! The list of deviations, its documentation, and their places of use agree.

use mailwire_core::testing::deviation_mistakes;
use mailwire_imap::deviation;

#[test]
fn each_has_a_row_and_a_constant() {
    let page = include_str!("../src/deviation.rs");
    assert_eq!(deviation_mistakes(deviation::ALL, page, env!("CARGO_MANIFEST_DIR")), [""; 0]);
}
