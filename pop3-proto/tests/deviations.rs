//! The list of deviations, its documentation, and their places of use agree.
#![allow(clippy::unwrap_used)]

use mailwire_core::testing::deviation_mistakes;
use mailwire_pop3::deviation;

#[test]
fn each_has_a_row_and_a_constant() {
    let page = include_str!("../README.md");
    let table = page.split("## What lenient reading accepts").nth(1).unwrap().split("\n## ").next().unwrap();
    assert_eq!(deviation_mistakes(deviation::ALL, table, env!("CARGO_MANIFEST_DIR")), [""; 0]);
}
