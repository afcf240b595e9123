//! Lists that are mostly short.

use alloc::{vec, vec::Vec};
use core::{
    fmt,
    hash::{Hash, Hasher},
    mem::{self, ManuallyDrop},
    ops::{Deref, DerefMut},
};

/// A list of which the first two values take no memory of their own: most lists of a message have no
/// more. It is used like a slice.
///
/// ```
/// use mailwire_imap::types::ShortList;
///
/// let mut list = ShortList::from(["a", "b"]);
/// list.push("c");
/// assert_eq!(list[..], ["a", "b", "c"]);
/// assert_eq!(Vec::from(list), ["a", "b", "c"]);
/// ```
#[derive(Clone)]
pub struct ShortList<T>(ManuallyDrop<Repr<T>>);

#[derive(Clone)]
enum Repr<T> {
    None,
    One([T; 1]),
    Two([T; 2]),
    Many(Vec<T>),
}

impl<T> ShortList<T> {
    const fn of(values: Repr<T>) -> Self {
        Self(ManuallyDrop::new(values))
    }

    /// Makes an empty list.
    #[must_use]
    pub const fn new() -> Self {
        Self::of(Repr::None)
    }

    /// Adds a value at the end.
    // Made in its place where it is inlined; a value that was just made is slow to move.
    #[inline(always)]
    pub fn push(&mut self, value: T) {
        match &mut *self.0 {
            Repr::None => *self.0 = Repr::One([value]),
            Repr::One(_) => {
                if let Repr::One([first]) = mem::replace(&mut *self.0, Repr::None) {
                    *self.0 = Repr::Two([first, value]);
                }
            }
            Repr::Two(_) | Repr::Many(_) => self.push_more(value),
        }
    }

    #[inline(never)]
    fn push_more(&mut self, value: T) {
        if let Repr::Many(values) = &mut *self.0 {
            return values.push(value);
        }
        let mut values = Vec::from(mem::take(self));
        values.push(value);
        *self.0 = Repr::Many(values);
    }

    /// Takes all values away.
    #[inline(never)]
    pub fn clear(&mut self) {
        *self.0 = Repr::None;
    }

    /// Takes the last value away.
    pub fn pop(&mut self) -> Option<T> {
        let (rest, last) = match mem::replace(&mut *self.0, Repr::None) {
            Repr::None => (Repr::None, None),
            Repr::One([first]) => (Repr::None, Some(first)),
            Repr::Two([first, second]) => (Repr::One([first]), Some(second)),
            Repr::Many(mut values) => {
                let last = values.pop();
                (Repr::Many(values), last)
            }
        };
        *self.0 = rest;
        last
    }

    /// Keeps only the values that `keep` says.
    pub fn retain_mut(&mut self, keep: impl FnMut(&mut T) -> bool) {
        let mut values = Vec::from(mem::take(self));
        values.retain_mut(keep);
        *self = values.into();
    }
}

/// The values are dropped by one function in a crate. The compiler would put the code for it into each part of a crate where a
/// list may be dropped, which for the items of FETCH came to 120 KB in a program that lists an inbox.
impl<T> Drop for ShortList<T> {
    #[inline]
    fn drop(&mut self) {
        self.clear();
    }
}

impl<T> Default for ShortList<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Deref for ShortList<T> {
    type Target = [T];
    #[inline]
    fn deref(&self) -> &[T] {
        match &*self.0 {
            Repr::None => &[],
            Repr::One(values) => values,
            Repr::Two(values) => values,
            Repr::Many(values) => values,
        }
    }
}

impl<T> DerefMut for ShortList<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        match &mut *self.0 {
            Repr::None => &mut [],
            Repr::One(values) => values,
            Repr::Two(values) => values,
            Repr::Many(values) => values,
        }
    }
}

impl<T> From<Vec<T>> for ShortList<T> {
    fn from(values: Vec<T>) -> Self {
        if values.len() > 2 { Self::of(Repr::Many(values)) } else { values.into_iter().collect() }
    }
}

impl<T, const N: usize> From<[T; N]> for ShortList<T> {
    fn from(values: [T; N]) -> Self {
        values.into_iter().collect()
    }
}

impl<T> From<ShortList<T>> for Vec<T> {
    fn from(mut list: ShortList<T>) -> Self {
        match mem::replace(&mut *list.0, Repr::None) {
            Repr::None => Self::new(),
            Repr::One(values) => values.into(),
            Repr::Two(values) => values.into(),
            Repr::Many(values) => values,
        }
    }
}

impl<T> FromIterator<T> for ShortList<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let mut list = Self::new();
        list.extend(values);
        list
    }
}

impl<T> Extend<T> for ShortList<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, values: I) {
        values.into_iter().for_each(|value| self.push(value));
    }
}

impl<T> IntoIterator for ShortList<T> {
    type Item = T;
    type IntoIter = vec::IntoIter<T>;
    fn into_iter(self) -> Self::IntoIter {
        Vec::from(self).into_iter()
    }
}

impl<'a, T> IntoIterator for &'a ShortList<T> {
    type Item = &'a T;
    type IntoIter = core::slice::Iter<'a, T>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a, T> IntoIterator for &'a mut ShortList<T> {
    type Item = &'a mut T;
    type IntoIter = core::slice::IterMut<'a, T>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

impl<T: PartialEq> PartialEq for ShortList<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Eq> Eq for ShortList<T> {}

impl<T: Hash> Hash for ShortList<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl<T: fmt::Debug> fmt::Debug for ShortList<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

#[cfg(feature = "serde")]
impl<T: serde::Serialize> serde::Serialize for ShortList<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_what_a_vec_is() {
        for count in 0..6 {
            let values: Vec<u8> = (0..count).collect();
            let mut list: ShortList<u8> = values.iter().copied().collect();
            assert_eq!((&list[..], list.len()), (&values[..], values.len()));
            assert_eq!(alloc::format!("{list:?}"), alloc::format!("{values:?}"));
            assert_eq!(list, ShortList::from(values.clone()));
            assert_eq!(list.clone().into_iter().collect::<Vec<_>>(), values);
            let mut even = list.clone();
            even.retain_mut(|value| *value % 2 == 0);
            assert_eq!(even, (0..count).filter(|value| value % 2 == 0).collect());
            list.iter_mut().for_each(|value| *value += 1);
            for left in (0..count).rev() {
                assert_eq!(list.pop(), Some(left + 1));
            }
            assert_eq!((list.pop(), list.is_empty()), (None, true));
        }
        assert_ne!(ShortList::from([1]), ShortList::from([1, 1]));
    }

    #[test]
    fn each_value_is_dropped_once() {
        let value = alloc::rc::Rc::new(());
        for count in 0..6 {
            let list = || (0..count).map(|_| value.clone()).collect::<ShortList<_>>();
            drop(list());
            list().clear();
            list().pop();
            list().retain_mut(|_| false);
            drop(Vec::from(list()));
            list().into_iter().next();
            assert_eq!((alloc::rc::Rc::strong_count(&value), list().len()), (1, count));
        }
    }
}
