//! Languages and comparators (RFC 5255).

use mailwire_core::Text;
use mailwire_imap::{
    command::Command,
    extensions::{ExtensionData, comparator::ComparatorCommand, language::LanguageCommand},
    response::Untagged,
};

use super::Client;
use crate::Result;

impl Client {
    /// LANGUAGE: asks for texts in the first of these languages that the server has, and gives the one that they are
    /// in from now on; `None` if the server does not say ([RFC 5255 section
    /// 3.2](https://www.rfc-editor.org/rfc/rfc5255#section-3.2)). `default` is what the server prefers.
    ///
    /// # Errors
    ///
    /// The server has none of them or does not offer LANGUAGE, or the connection fails.
    pub async fn choose_language(&mut self, ranges: &[&str]) -> Result<Option<Text>> {
        let mut tags = self.language(LanguageCommand::choose(ranges.iter().copied())?).await?;
        Ok(if tags.len() == 1 { tags.pop() } else { None })
    }

    /// LANGUAGE: asks which languages the server has.
    ///
    /// # Errors
    ///
    /// The server refuses or does not offer LANGUAGE, or the connection fails.
    pub async fn languages(&mut self) -> Result<Vec<Text>> {
        self.language(LanguageCommand::list()).await
    }

    async fn language(&mut self, command: LanguageCommand) -> Result<Vec<Text>> {
        let mut found = Vec::new();
        let take = |data| match data {
            ExtensionData::Language(language) => {
                found = language.tags.into_iter().map(|tag| tag.into_text()).collect();
                Ok(())
            }
            data => Err(data),
        };
        self.extension(command, take).await?;
        Ok(found)
    }

    /// COMPARATOR: chooses the first of these comparators that the server has, or asks which one is in use if there are
    /// none; `*` stands for any letters. Gives the name of the one that is in use ([RFC 5255 section 4.7](https://www.rfc-editor.org/rfc/rfc5255#section-4.7)).
    ///
    /// # Errors
    ///
    /// The server does not offer I18NLEVEL=2, has none of them (`BADCOMPARATOR`), or the connection fails.
    pub async fn comparator<T: Into<Text>>(
        &mut self,
        comparators: impl IntoIterator<Item = T>,
    ) -> Result<Option<String>> {
        let command = ComparatorCommand::choose(comparators)?;
        let mut active = None;
        let mut take = |data| match data {
            Untagged::Extension(data) => match *data {
                ExtensionData::Comparator(data) => {
                    active = Some(data.active.as_text().to_string_lossy().into_owned());
                    Ok(None)
                }
                data => Ok(Some(data.into())),
            },
            data => Ok(Some(data)),
        };
        self.run(Command::from(command), &mut take).await?;
        Ok(active)
    }
}
