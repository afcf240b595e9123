//! URLs that others may use: RFC 4467 and RFC 5524.

use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, Mac, digest::KeyInit};
use mailwire_core::Secret;
use mailwire_imap::{
    extensions::urlauth::{
        ResetKey, UrlAuthCommand, UrlAuthData, UrlContent as Content, UrlFetchArg, UrlFetchParam, UrlFetched,
        UrlItem, UrlRump,
    },
    response::{Code, Reply},
    types::ImapString,
    url::{AuthMechanism, ImapUrl, MessageRef, Target},
};
use sha2::Sha256;

use super::{
    conversation::{Conversation, Stop, done},
    options::{UrlBytes, UrlOptions},
    refusal::Refusal,
    sending::push,
    service::{Service, Session},
};
use crate::Budget;

/// Bytes of a mailbox's access key.
const KEY: usize = 32;
/// How tokens are made, which a token begins with: with another way, those of this one are still known.
const ALGORITHM: &str = "01";

impl<S: Service> Conversation<S> {
    pub(super) async fn url_auth(&mut self, command: UrlAuthCommand) -> Result<Reply, Stop> {
        match command {
            UrlAuthCommand::ResetKey(reset) => self.reset_key(reset).await,
            UrlAuthCommand::Generate(urls) => self.generate(&urls).await,
            UrlAuthCommand::Fetch(urls) => self.url_fetch(urls).await,
            _ => Err(Stop::Bad("Unknown command")),
        }
    }

    /// RESETKEY: RFC 4467 section 7.
    async fn reset_key(&mut self, reset: Option<ResetKey>) -> Result<Reply, Stop> {
        let Some(ResetKey { mailbox, mechanisms, .. }) = reset else {
            self.session()?.reset_url_keys(None).await?;
            return Ok(done());
        };
        if mechanisms.iter().any(|mechanism| *mechanism != AuthMechanism::INTERNAL) {
            return Err(Refusal::new("There is no such mechanism").with_code(Code::Cannot).into());
        }
        let (session, name) = self.session_and_name(&mailbox)?;
        session.reset_url_keys(Some(&name)).await?;
        Ok(done().with_code(Code::UrlMech(Vec::new())))
    }

    /// GENURLAUTH: RFC 4467 section 7.
    async fn generate(&mut self, urls: &[UrlRump]) -> Result<Reply, Stop> {
        let mut made = Vec::with_capacity(urls.len());
        for UrlRump { url, mechanism, .. } in urls {
            if *mechanism != AuthMechanism::INTERNAL {
                return Err(Stop::Bad("There is no such mechanism"));
            }
            let Some((owner, part)) = authorized(url.as_bytes()) else {
                return Err(Stop::Bad("Not a URL of a message with a user and who may use it"));
            };
            if part.auth.as_ref().is_none_or(|auth| auth.verifier.is_some()) {
                return Err(Stop::Bad("The URL is authorized already"));
            }
            let fresh = new_key()?;
            let session = self.session()?;
            let Some(key) = session.url_key(&owner, part.mailbox.name(), Some(fresh)).await? else {
                return Err(Stop::Bad("There is no such mailbox of this user"));
            };
            let token = token(&key, url.as_bytes());
            let url = [url.as_bytes(), b":internal:", token.as_bytes()].concat();
            made.push(ImapString::new(url).map_err(|_| Refusal::unavailable())?);
        }
        push(&mut self.driver, UrlAuthData::Generated(made).into()).await?;
        Ok(done())
    }

    /// URLFETCH: RFC 4467 section 7, RFC 5524 section 3. One after the other, so that no more than one is in memory.
    async fn url_fetch(&mut self, urls: Vec<UrlFetchArg>) -> Result<Reply, Stop> {
        let mut budget = self.budget();
        for UrlFetchArg { url, params, .. } in urls {
            let content = self.url_content(url.as_bytes(), &params, &mut budget).await?;
            let url = ImapString::new(url.into_text()).map_err(|_| Refusal::unavailable())?;
            let data = UrlAuthData::Fetched(vec![UrlFetched::new(url, content)]);
            push(&mut self.driver, data.into()).await?;
        }
        Ok(done())
    }

    async fn url_content(
        &mut self,
        url: &[u8],
        params: &[UrlFetchParam],
        budget: &mut Budget,
    ) -> Result<Content, Stop> {
        let limit = self.limits.response;
        let session = self.session()?;
        let Some((owner, part)) = authorized(url) else { return Ok(Content::Nil) };
        if !is_valid(session, url, &owner, &part).await? {
            return Ok(Content::Nil);
        }
        let has = |param| params.contains(&param);
        let bytes = match (has(UrlFetchParam::Body) || params.is_empty(), has(UrlFetchParam::Binary)) {
            (true, _) => Some(UrlBytes::Encoded),
            (false, true) => Some(UrlBytes::Decoded),
            (false, false) => None,
        };
        let mut options = UrlOptions::new(bytes, limit);
        options.structure = has(UrlFetchParam::BodyPartStructure);
        let Some(found) = session.url_content(&owner, &part, &options, budget).await? else {
            return Ok(Content::Nil);
        };
        let string =
            found.bytes.as_ref().map(|bytes| ImapString::new(crate::server::without_nul(bytes.clone())));
        let string = string.transpose().map_err(|_| Refusal::unavailable())?;
        if params.is_empty() {
            return Ok(Content::Bytes(string.unwrap_or_default()));
        }
        let structure = found.structure.map(|structure| UrlItem::BodyPartStructure(structure.into()));
        let bytes = bytes.map(|form| match form {
            UrlBytes::Encoded => UrlItem::Body(string),
            UrlBytes::Decoded => UrlItem::Binary(found.bytes.map(Into::into)),
        });
        Ok(Content::Items(structure.into_iter().chain(bytes).collect()))
    }
}

/// A URL of a message that says who may use it, and the user whose mailbox it is in.
fn authorized(url: &[u8]) -> Option<(String, MessageRef)> {
    let url = ImapUrl::parse(url).ok()?;
    let owner = url.server.user()?.to_owned();
    match url.target? {
        Target::Message(part) if part.auth.is_some() => Some((owner, *part)),
        _ => None,
    }
}

/// Whether the session may use a URL now (RFC 4467 section 6).
async fn is_valid(
    session: &mut impl Session,
    url: &[u8],
    owner: &str,
    part: &MessageRef,
) -> Result<bool, Stop> {
    let Some(auth) = &part.auth else { return Ok(false) };
    let Some(verifier) = &auth.verifier else { return Ok(false) };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    let is_over =
        auth.expire.is_some_and(|expire| i64::try_from(now).is_ok_and(|now| expire.to_unix() < now));
    // Nothing but this is cut off, and nothing is changed.
    let end = verifier.token().len() + verifier.mechanism.as_bytes().len() + 2;
    let rump = url.get(..url.len().saturating_sub(end)).unwrap_or_default();
    // Where there is no key, as much is worked out as where there is one.
    let key = session.url_key(owner, part.mailbox.name(), None).await?;
    let is_known = key.is_some();
    let key = key.map_or_else(new_key, Ok)?;
    let is_right = Secret::from(token(&key, rump)) == Secret::from(verifier.token().to_ascii_lowercase());
    let is_internal = verifier.mechanism == AuthMechanism::INTERNAL;
    Ok(is_known && is_right && is_internal && !is_over && session.may_use_url(&auth.access).await)
}

fn new_key() -> Result<Secret, Refusal> {
    let mut key = vec![0; KEY];
    getrandom::fill(&mut key).map_err(|_| Refusal::unavailable())?;
    Ok(key.into())
}

/// The token of a URL, in hexadecimal digits.
fn token(key: &Secret, rump: &[u8]) -> String {
    #[allow(clippy::expect_used, reason = "HMAC takes keys of any length")]
    let mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key.expose()).expect("a key");
    let digest = mac.chain_update(rump).finalize().into_bytes();
    let mut token = ALGORITHM.to_owned();
    token.extend(
        digest
            .iter()
            .flat_map(|byte| [byte >> 4, byte & 15])
            .filter_map(|digit| char::from_digit(digit.into(), 16)),
    );
    token
}
