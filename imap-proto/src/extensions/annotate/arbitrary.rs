//! Annotations of messages for fuzzing.

use alloc::format;

use ::arbitrary::{Arbitrary, Error, Result, Unstructured};

use super::{
    AnnotateCode, AnnotationAttribute, AnnotationData, AnnotationName, AnnotationPattern, AnnotationScope,
    AnnotationStore, AnnotationSupport, EntryAtts, FetchAnnotations, SearchAnnotation,
};
use crate::{
    command::arbitrary::{maybe, messages, some, word},
    extensions::metadata::arbitrary_value,
};

fn none(_: mailwire_core::Invalid) -> Error {
    Error::IncorrectFormat
}

impl<'a> Arbitrary<'a> for AnnotationName {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Self::new(format!("/{}", word(u, b"aB1. \"\\(){}]")?)).map_err(none)
    }
}

impl<'a> Arbitrary<'a> for AnnotationPattern {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Self::new(word(u, b"/aB*% \"\\(){}]")?).map_err(none)
    }
}

impl<'a> Arbitrary<'a> for AnnotationAttribute {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        match u.int_in_range(0..=3)? {
            0 => Ok(Self::VALUE_PRIV),
            1 => Ok(Self::SIZE),
            _ => Self::new(word(u, b"aB \"\\(){}]")?).map_err(none),
        }
    }
}

impl<'a> Arbitrary<'a> for EntryAtts {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let attributes = some(u, |u| Ok((u.arbitrary()?, maybe(u, arbitrary_value)?)))?;
        Ok(Self { name: u.arbitrary()?, attributes })
    }
}

impl<'a> Arbitrary<'a> for FetchAnnotations {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Self { names: some(u, |u| u.arbitrary())?, attributes: some(u, |u| u.arbitrary())? })
    }
}

impl<'a> Arbitrary<'a> for AnnotationData {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(if u.arbitrary()? {
            Self::Values(maybe(u, |u| some(u, |u| u.arbitrary()))?.unwrap_or_default())
        } else {
            Self::Changed(some(u, |u| u.arbitrary())?)
        })
    }
}

impl<'a> Arbitrary<'a> for SearchAnnotation {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Self { name: u.arbitrary()?, scope: u.arbitrary()?, value: maybe(u, arbitrary_value)? })
    }
}

impl<'a> Arbitrary<'a> for AnnotationStore {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let store = Self::new(messages(u)?, some(u, |u| u.arbitrary())?);
        Ok(Self { unchanged_since: maybe(u, |u| u.arbitrary())?, ..store })
    }
}

impl<'a> Arbitrary<'a> for AnnotationSupport {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(match u.int_in_range(0..=2)? {
            0 => Self::None,
            1 => Self::ReadOnly { private: u.arbitrary()? },
            _ => Self::Writable { size: u.arbitrary()?, private: u.arbitrary()? },
        })
    }
}

impl<'a> Arbitrary<'a> for AnnotationScope {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        u.choose(&Self::ALL).copied()
    }
}

impl<'a> Arbitrary<'a> for AnnotateCode {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        u.choose(&Self::ALL).copied()
    }
}
