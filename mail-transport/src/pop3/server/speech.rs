//! What the server says, in the language that the client has chosen.

use mailwire_core::Ticket;
use mailwire_pop3::{
    LanguageListing, LanguageRange, LanguageTag, Listing, Reply, ReplyText, server::Connection,
};

use super::{
    Language, Refusal, Service,
    transaction::{ServerDriver, put_line},
};
use crate::Result;

/// The texts of an application for one client.
pub(super) struct Speech<'a, S> {
    service: &'a S,
    language: Option<LanguageTag>,
}

impl<'a, S: Service> Speech<'a, S> {
    pub(super) fn new(service: &'a S, connection: &Connection) -> Self {
        Self { service, language: connection.language().cloned() }
    }

    fn text(&self, english: &str) -> ReplyText {
        let translated = self.language.as_ref().and_then(|tag| self.service.translate(tag, english));
        match (translated, &self.language) {
            (Some(text), _) => ReplyText::international(&text),
            // Refusals can be in any language by themselves.
            (None, Some(_)) => ReplyText::international(english),
            (None, None) => ReplyText::lossy(english),
        }
    }

    pub(super) fn ok(&self, english: &str) -> Reply {
        Reply::Ok { code: None, text: self.text(english) }
    }

    pub(super) fn refusal(&self, refusal: Refusal) -> Reply {
        Reply::Err { code: refusal.code, text: self.text(&refusal.text) }
    }

    /// Refuses a command.
    pub(super) fn refuse(&self, driver: &mut ServerDriver, ticket: Ticket, refusal: Refusal) -> Result<()> {
        Ok(driver.connection_mut().reply(ticket, self.refusal(refusal))?)
    }

    /// LANG: lists the languages, or chooses one.
    pub(super) async fn lang(
        &mut self,
        driver: &mut ServerDriver,
        ticket: Ticket,
        range: Option<&LanguageRange>,
    ) -> Result<()> {
        let languages = languages(self.service);
        let Some(range) = range else {
            driver.connection_mut().reply(ticket, self.ok("languages follow"))?;
            for language in languages {
                let line = LanguageListing::new(language.tag, &language.name);
                put_line(driver, Listing::Language(line)).await?;
            }
            return Ok(driver.connection_mut().finish_body()?);
        };
        match languages.into_iter().find(|language| range.matches(&language.tag)) {
            Some(Language { tag, .. }) => {
                self.language = Some(tag.clone());
                let text = self.text("language changed").to_string();
                Ok(driver.connection_mut().reply(ticket, Reply::language(tag, &text))?)
            }
            None => self.refuse(driver, ticket, Refusal::new("no such language")),
        }
    }
}

/// More than this is not listed: the answer is made at once.
const MOST_LANGUAGES: usize = 200;

/// The languages of an application, the preferred one first, and English for everybody ([RFC 2277 section
/// 4.5](https://www.rfc-editor.org/rfc/rfc2277#section-4.5)). None if the application has none.
fn languages(service: &impl Service) -> Vec<Language> {
    let mut languages = service.languages();
    languages.truncate(MOST_LANGUAGES);
    if let (false, Ok(tag)) = (languages.is_empty(), LanguageTag::new("i-default")) {
        languages.push(Language::new(tag, "English"));
    }
    languages
}
