//! Counting connections.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The slots for connections, overall and per address.
#[derive(Debug)]
pub(super) struct Slots {
    limit: usize,
    limit_per_address: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    /// Only addresses that have one: this map is never larger than `all`.
    by_address: HashMap<IpAddr, usize>,
}

/// A slot, given back when dropped.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
    address: Option<IpAddr>,
}

impl Slots {
    pub(super) fn new(limit: usize, limit_per_address: usize) -> Arc<Self> {
        Arc::new(Self { limit, limit_per_address, taken: Mutex::default() })
    }

    pub(super) fn taken(&self) -> usize {
        self.lock().all
    }

    pub(super) fn take(self: &Arc<Self>, address: Option<IpAddr>) -> Option<Slot> {
        let address = address.map(customer);
        let mut taken = self.lock();
        if taken.all >= self.limit {
            return None;
        }
        if let Some(address) = address {
            let count = taken.by_address.get(&address).copied().unwrap_or(0);
            if count >= self.limit_per_address {
                return None;
            }
            taken.by_address.insert(address, count.saturating_add(1));
        }
        taken.all = taken.all.saturating_add(1);
        Some(Slot { slots: Arc::clone(self), address })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.slots.lock();
        taken.all = taken.all.saturating_sub(1);
        if let Some(address) = self.address {
            match taken.by_address.get_mut(&address) {
                Some(count) if *count > 1 => *count = count.saturating_sub(1),
                _ => drop(taken.by_address.remove(&address)),
            }
        }
    }
}

/// The address by which somebody is counted: IPv4 in its own form, IPv6 by /64.
fn customer(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from(u128::from(v6) >> 64 << 64).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn places_are_limited_and_given_back() {
        let slots = Slots::new(4, 2);
        let first = slots.take(address("192.0.2.1")).unwrap();
        let _second = slots.take(address("::ffff:192.0.2.1")).unwrap();
        assert!(slots.take(address("192.0.2.1")).is_none());
        drop(first);
        let _third = slots.take(address("192.0.2.1")).unwrap();
        let _fourth = slots.take(address("2001:db8::1")).unwrap();
        let fifth = slots.take(address("2001:db8::2")).unwrap();
        assert!(slots.take(None).is_none(), "all are taken");
        drop(fifth);
        assert!(slots.take(address("2001:db8::ffff:ffff:ffff:ffff")).is_some());
        assert_eq!(slots.taken(), 3);
    }

    #[test]
    fn ipv6_is_counted_by_customer() {
        let slots = Slots::new(10, 1);
        let _one = slots.take(address("2001:db8:0:1::1")).unwrap();
        assert!(slots.take(address("2001:db8:0:1:ffff::1")).is_none());
        assert!(slots.take(address("2001:db8:0:2::1")).is_some());
        assert_eq!(slots.lock().by_address.len(), 1, "nothing is kept of those that are gone");
    }
}
