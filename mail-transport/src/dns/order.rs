//! In which order hosts are tried.

use super::Srv;

/// SRV records in the order in which they are to be tried: by priority, and among those of one by chance, each as often as its
/// weight says ([RFC 2782](https://www.rfc-editor.org/rfc/rfc2782), "Weight"). `chance` gives a number from 0 to 1.
///
/// It is quadratic in the number of records, so that no more than a few are handed in.
pub(crate) fn srv_in_order(mut records: Vec<Srv>, mut chance: impl FnMut() -> f64) -> Vec<Srv> {
    // Those of weight 0 come first, so that they have a small chance.
    records.sort_by_key(|srv| (srv.priority, srv.weight));
    let mut ordered = Vec::with_capacity(records.len());
    while let Some(first) = records.first().map(|srv| srv.priority) {
        let same = || records.iter().take_while(|srv| srv.priority == first);
        let sum: u32 = same().map(|srv| u32::from(srv.weight)).sum();
        let picked = chance() * f64::from(sum);
        let mut running = 0;
        let index = same().position(|srv| {
            running += u32::from(srv.weight);
            f64::from(running) >= picked
        });
        ordered.push(records.remove(index.unwrap_or(0)));
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_shares_and_priorities_come_first() {
        let records =
            [(20, 0, "last"), (10, 60, "large"), (10, 0, "none"), (10, 20, "small"), (10, 20, "alike")];
        let records: Vec<_> =
            records.iter().map(|&(priority, weight, host)| Srv::new(priority, weight, 1, host)).collect();
        let first = |chance: f64| {
            let mut once = Some(chance);
            let ordered = srv_in_order(records.clone(), || once.take().unwrap_or(0.0));
            assert_eq!((ordered.len(), ordered.last().unwrap().target.as_str()), (5, "last"));
            ordered.first().unwrap().target.clone()
        };
        assert_eq!(first(0.0), "none");
        assert_eq!((first(0.1), first(0.3)), ("small".to_owned(), "alike".to_owned()));
        assert_eq!((first(0.41), first(1.0)), ("large".to_owned(), "large".to_owned()));
    }
}
